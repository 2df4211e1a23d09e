//! Writing to the terminal, without the panics of `println!` when nobody reads.

use super::failure::Failure;
use std::io::{self, ErrorKind, Write};

/// Writes `text` to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(Failure::Failed(anyhow::Error::new(error).context("cannot write to standard output")))
        }
        Ok(()) => Ok(()),
    }
}

/// Writes a line to standard error.
pub(super) fn error_line(text: &str) {
    // There is nowhere left to report that it failed.
    _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}
