//! Beside a server that nobody wrote for it.

use crate::support::{Larder, Process, within};
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn before_pythons_file_server_the_second_get_of_a_file_is_a_hit_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = folder.path().join("file.bin");
    std::fs::write(&path, &content).unwrap();
    // Files that changed this moment are about to change again, so the heuristic gives them no lifetime.
    let month_ago = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(month_ago).unwrap();

    let mut server = Command::new("python3")
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("python3, which `make test` installs");
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = within("the server listens", lines.next_line()).await.unwrap().unwrap();
    let port: u16 =
        line.split("port ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();

    let larder = Process::run(&Larder::with_origins(&format!("origin: http://127.0.0.1:{port}"))).await;
    let first = larder.get("/file.bin").send().await;
    let second = larder.get("/file.bin").send().await;
    for reply in [&first, &second] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, content);
    }
    assert!(second.is_hit(), "{}", second.cache_status());
    for name in ["content-type", "content-length", "last-modified"] {
        assert_eq!(first.field(name), second.field(name));
    }
}
