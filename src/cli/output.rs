//! Writing to the terminal, without the panics of `println!` when nobody reads.

use super::failure::Failure;
use std::io::{self, ErrorKind, Write};

/// Writes `text` to standard output. That nobody reads it is no failure: whoever read has read enough.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(|_| ())
}

/// The same, and tells whether anybody still reads.
pub(super) fn print_while_read(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Failure::Failed(anyhow::Error::new(error).context("cannot write to standard output")))
        }
    }
}

/// Tells standard error.
pub(super) fn fail(failure: &Failure) {
    // There is nowhere left to report that it failed.
    _ = writeln!(io::stderr().lock(), "{}", failure.to_string().trim_end());
}
