//! Larder as a process of its own: for signals, exit codes, and what memory it takes.

use super::client::{Request, request_at};
use super::larder::LarderBuilder;
use super::within;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The binary under test: the one that was built with the tests, unless `LARDER_BINARY` names another.
fn binary() -> OsString {
    std::env::var_os("LARDER_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_larder").into())
}

/// A running `larder run`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
    log: watch::Receiver<Vec<String>>,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    /// Runs the binary with a configuration, and waits until it listens.
    pub(crate) async fn run(builder: &LarderBuilder) -> Self {
        Self::run_by(Command::new(binary()), builder).await
    }

    /// As [`Process::run`], with these variables in its environment.
    pub(crate) async fn run_with(builder: &LarderBuilder, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.envs(variables.iter().copied());
        Self::run_by(command, builder).await
    }

    /// As [`Process::run`], so that [`Process::peak_memory`] counts what was touched. The kernel otherwise backs the
    /// allocator's heap by 2 MiB at a time, and one new size of buffer then counts as five hundred times what it takes.
    pub(crate) async fn run_counted(builder: &LarderBuilder) -> Self {
        Self::run_with(builder, &[("MIMALLOC_ALLOW_THP", "0")]).await
    }

    /// As [`Process::run`], where no file may be longer than so many kibibytes, as if a disk were full.
    pub(crate) async fn run_short_of_disk(builder: &LarderBuilder, kibibytes: u32) -> Self {
        // A shell knows how to; the binary inherits the limit, and that the signal beside the error is ignored.
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" \"$@\"")]).arg(binary());
        Self::run_by(shell, builder).await
    }

    async fn run_by(mut command: Command, builder: &LarderBuilder) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("proxy.yaml");
        std::fs::write(&file, builder.yaml()).expect("a writable folder");
        let mut child = command
            .args(["run", "-c"])
            .arg(&file)
            .env("LARDER_LOG", "info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary was built with the tests");

        let (lines, log) = watch::channel(Vec::new());
        let stderr = child.stderr.take().expect("piped");
        tokio::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.send_modify(|all: &mut Vec<String>| all.push(line));
            }
        });
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { child, folder, log, address: unset, admin: unset };
        process.address = process.address_in("listening").await;
        process.admin = process.address_in("administrator").await;
        process
    }

    /// The address in the first line of the log that has `word`.
    async fn address_in(&self, word: &str) -> SocketAddr {
        let line = self.logged(&[word, "127.0.0.1:"]).await;
        let from = line.find("127.0.0.1:").expect("looked for");
        let text: String =
            line[from..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        text.parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
    }

    /// Waits for a line of the log that has all of `words`.
    pub(crate) async fn logged(&self, words: &[&str]) -> String {
        let mut log = self.log.clone();
        let has = |line: &&String| words.iter().all(|word| line.contains(word));
        let what = format!("a line with {words:?} in the log");
        let found = within(&what, log.wait_for(|lines| lines.iter().any(|line| has(&line)))).await;
        let lines = found.unwrap_or_else(|_| panic!("it ended without {what}: {:#?}", self.log.borrow()));
        lines.iter().find(has).expect("just seen").clone()
    }

    /// How many lines of the log have all of `words`.
    pub(crate) fn lines_with(&self, words: &[&str]) -> usize {
        self.log.borrow().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// What it logged so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// A GET, not sent yet.
    pub(crate) fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// Any request, not sent yet.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        request_at(self.address, method, target)
    }

    /// A request to the admin listener, not sent yet.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Request {
        request_at(self.admin, method, target).host(&self.admin.to_string())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("proxy.yaml")
    }

    /// Replaces `from` by `to` in the configuration file.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).expect("written by this");
        let edited = text.replace(from, to);
        assert_ne!(text, edited, "the file has {from:?}");
        std::fs::write(self.file(), edited).expect("a writable folder");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the process lives");
    }

    /// Waits until it has exited.
    pub(crate) async fn exited(&mut self) -> ExitStatus {
        within("the process exits", self.child.wait()).await.expect("it is our child")
    }

    /// Whether it has exited.
    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// The most bytes of memory it ever held at once.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kilobytes * 1024
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("not waited for yet") as i32)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the process:\n{}", self.log.borrow().join("\n"));
        }
    }
}

/// Runs a verb to its end.
pub(crate) async fn command(arguments: &[&str]) -> Output {
    let output = Command::new(binary()).args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).output();
    within("the command ends", output).await.expect("the binary was built with the tests")
}
