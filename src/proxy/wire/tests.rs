use super::*;
use crate::key::Scheme;
use tokio::net::TcpListener;

/// A wire and the client at its other end.
async fn pair() -> (Wire, TcpStream, Arc<Connection>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, peer) = listener.accept().await.unwrap();
    let connection = Arc::new(Connection::new(peer, tcp.local_addr().unwrap(), Scheme::Http));
    (Wire::new(Transport::Plain(tcp), Arc::clone(&connection)), client, connection)
}

/// Whether a read has nothing to give for now.
async fn would_wait(wire: &mut Wire) -> bool {
    let mut byte = [0];
    tokio::select! {
        biased;
        _ = wire.read(&mut byte) => false,
        () = tokio::task::yield_now() => true,
    }
}

#[tokio::test]
async fn a_reader_gets_its_body_and_no_more() {
    for (framing, sent, body) in [
        (Framing::Length(5), "helloGET /next", "hello"),
        (Framing::Length(0), "GET /next", ""),
        (Framing::Chunked, "1\r\nx\r\n0\r\n\r\nGET /next", "1\r\nx\r\n0\r\n\r\n"),
    ] {
        let (mut wire, mut client, _) = pair().await;
        wire.begin(framing);
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut read = vec![0; body.len()];
        wire.read_exact(&mut read).await.unwrap();
        assert_eq!(read, body.as_bytes());
        assert!(wire.body_is_read());
        assert!(would_wait(&mut wire).await, "{framing:?}");
        while wire.received().len() < "GET /next".len() {
            wire.receive().await.unwrap();
        }
        assert_eq!(&wire.received()[..], b"GET /next", "{framing:?}");
    }
}

#[tokio::test]
async fn a_reader_that_had_its_body_hears_the_client_leave() {
    let (mut wire, client, _) = pair().await;
    wire.begin(Framing::Length(0));
    assert!(would_wait(&mut wire).await);
    drop(client);
    assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_tunnel_has_no_end() {
    let (mut wire, mut client, connection) = pair().await;
    wire.begin(Framing::Length(0));
    client.write_all(b"frames").await.unwrap();
    wire.receive().await.unwrap();
    assert!(would_wait(&mut wire).await);
    connection.become_tunnel();
    let mut frames = [0; 6];
    wire.read_exact(&mut frames).await.unwrap();
    assert_eq!(&frames, b"frames");
}

#[tokio::test]
async fn small_writes_are_gathered_until_flushed() {
    let (mut wire, mut client, _) = pair().await;
    wire.write_all(b"head ").await.unwrap();
    wire.write_all(b"body").await.unwrap();
    assert_eq!(wire.gathered.len(), 9);
    wire.flush().await.unwrap();
    let mut sent = [0; 9];
    client.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"head body");
}

#[tokio::test]
async fn a_large_write_takes_the_gathered_along() {
    let (mut wire, mut client, _) = pair().await;
    wire.write_all(b"head").await.unwrap();
    let large = vec![b'x'; GATHER + 1];
    let (written, read) = tokio::join!(wire.write_all(&large), async {
        let mut sent = vec![0; 4 + large.len()];
        client.read_exact(&mut sent).await.map(|_| sent)
    });
    written.unwrap();
    let sent = read.unwrap();
    assert!(sent.starts_with(b"headx") && sent.ends_with(b"x"));
    assert!(wire.gathered.is_empty());
}

#[tokio::test]
async fn who_waits_for_the_client_sends_first() {
    let (mut wire, mut client, _) = pair().await;
    wire.begin(Framing::Length(0));
    wire.write_all(b"event").await.unwrap();
    assert!(would_wait(&mut wire).await);
    let mut sent = [0; 5];
    client.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"event");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let (mut wire, _client, _) = pair().await;
    let chunk = vec![0; 1024 * 1024];
    // Fill what the kernel takes; only then is time paused, which runs whenever nothing else can.
    while tokio::time::timeout(Duration::from_millis(50), wire.write_all(&chunk)).await.is_ok() {}
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let error = wire.write_all(&chunk).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(before.elapsed() <= STALL);
}

#[tokio::test]
async fn a_cut_reply_ends_in_a_reset() {
    for (cut, expected) in [(true, Err(io::ErrorKind::ConnectionReset)), (false, Ok(0))] {
        let (mut wire, mut client, connection) = pair().await;
        wire.write_all(b"half a reply").await.unwrap();
        wire.flush().await.unwrap();
        let mut sent = [0; 12];
        client.read_exact(&mut sent).await.unwrap();
        if cut {
            connection.cut();
        }
        wire.begin(Framing::Length(0));
        drop(wire);
        let end = client.read(&mut sent).await.map_err(|error| error.kind());
        assert_eq!(end, expected);
    }
}

#[tokio::test]
async fn idle_connections_hold_little() {
    let (mut wire, _client, _) = pair().await;
    wire.received = BytesMut::with_capacity(64 * 1024);
    wire.gathered = BytesMut::with_capacity(16 * 1024);
    wire.rest();
    assert_eq!(wire.received.capacity() + wire.gathered.capacity(), 0);
}

#[tokio::test]
async fn a_client_that_still_sends_can_read_its_reply() {
    let (wire, mut client, connection) = pair().await;
    client.write_all(b"half a request").await.unwrap();
    wire.send_last(b"a reply").await;
    let left = connection.take_left().expect("nobody read what the client sent");
    let client = async move {
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).await.unwrap();
        client.write_all(&[0; 100 * 1024]).await.unwrap();
        reply
    };
    let (reply, ()) = tokio::join!(client, left.close());
    assert_eq!(reply, b"a reply");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_at_once() {
    let (wire, mut client, connection) = pair().await;
    drop(wire);
    assert!(connection.take_left().is_none());
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn http2_reads_everything() {
    let (mut wire, mut client, _) = pair().await;
    client.write_all(b"PRI frames").await.unwrap();
    wire.receive().await.unwrap();
    wire.give_everything();
    let mut read = [0; 10];
    wire.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"PRI frames");
}
