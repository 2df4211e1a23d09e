//! Scripts in Python: they use libraries that were written for the APIs, by others.

use crate::support::within;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A script of this folder that runs. It has told its address in its first line, and answers each line of its input with one
/// of JSON. It ends with its input, so it outlives no test, however that ends.
pub(crate) struct Python {
    url: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Python {
    pub(crate) async fn start(script: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let interpreter = root.join("target/venv/bin/python");
        assert!(interpreter.exists(), "`make tools-test` installs what the tests of CDNs need");
        let mut process = Command::new(interpreter)
            .arg(folder().join(script))
            .env("PYTHONUNBUFFERED", "1")
            // Nothing on the way to the server of the same machine.
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = within(script, output.next_line()).await.unwrap();
        let url = url.unwrap_or_else(|| panic!("{script} ended"));
        Self { url, input, output, _process: process }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks it something.
    pub(crate) async fn ask(&mut self, question: &str) -> Value {
        self.input.write_all(format!("{question}\n").as_bytes()).await.unwrap();
        let answer = within(question, self.output.next_line()).await.unwrap();
        serde_json::from_str(&answer.unwrap_or_else(|| panic!("{question}: it ended"))).unwrap()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cdn")
}
