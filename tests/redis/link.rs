//! The way to Redis: every form of server, and everything that may happen to it.

use crate::support::{
    Authority, Cluster, DEADLINE, Data, Flow, RedisServer, Replication, Tap, eventually, within,
};
use larder::redis::{
    Link, LinkError, Op, RedisServers, RedisSettings, Script, ServerAddress, UnusableSettings, WriteMode,
};
use larder::secret::Secret;
use redis::{FromRedisValue, cmd};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// For calls that are to succeed.
const LONG: Duration = DEADLINE;

/// For calls that are to fail; none of them may take seconds.
const SHORT: Duration = Duration::from_millis(100);

fn settings(servers: RedisServers) -> RedisSettings {
    RedisSettings {
        servers,
        tls: false,
        ca: None,
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        namespace: "larder".to_owned(),
        timeout: Duration::from_millis(50),
        write: WriteMode::Behind,
        compress: true,
        max_object: 1 << 20,
    }
}

fn at(port: u16) -> ServerAddress {
    ServerAddress { host: "127.0.0.1".to_owned(), port }
}

fn single(port: u16) -> RedisSettings {
    settings(RedisServers::Single(at(port)))
}

fn link(settings: &RedisSettings) -> Arc<Link> {
    Link::new(settings, Arc::new(())).unwrap()
}

async fn ask<T: FromRedisValue>(link: &Link, limit: Duration, words: &str) -> Result<T, LinkError> {
    let mut words = words.split(' ');
    let mut command = cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    link.command(Op::Get, limit, &command).await
}

/// Asks until there is an answer: until the link has healed.
async fn heals(link: &Link, words: &str) {
    eventually("the link heals", async || {
        let answer = ask::<redis::Value>(link, LONG, words).await;
        if answer.is_err() {
            // Failing is at once, and the link must have the processor to heal.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        answer.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_server_answers_commands_pipelines_and_scripts() {
    let server = RedisServer::start().await;
    let link = link(&single(server.port()));
    assert!(!link.is_up(), "nobody used it");
    ask::<()>(&link, LONG, "SET name value").await.unwrap();
    assert!(link.is_up());
    assert_eq!(ask::<Option<String>>(&link, LONG, "GET name").await.unwrap().as_deref(), Some("value"));
    let mut pipeline = redis::pipe();
    pipeline.cmd("GET").arg("name").cmd("GET").arg("other");
    let both: (Option<String>, Option<String>) = link.pipeline(Op::Get, LONG, &pipeline).await.unwrap();
    assert_eq!(both, (Some("value".to_owned()), None));

    let script = Script::new("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}");
    for _ in 0..2 {
        let said: (String, String, String) =
            link.script(Op::Append, LONG, &script, &[b"name"], &[b"argument"]).await.unwrap();
        assert_eq!(said, ("name".to_owned(), "argument".to_owned(), "value".to_owned()));
        server.command::<()>("SCRIPT FLUSH").await;
    }
    let error = ask::<()>(&link, LONG, "LPUSH name item").await.unwrap_err();
    assert_eq!((error.as_str(), error.code()), ("reply", Some("WRONGTYPE")));
    assert!(link.is_up(), "an error of the server's is none of the connection's");
    let protocol: String = server.command("CLIENT LIST").await;
    assert!(protocol.lines().any(|line| line.contains("lib-name=") || line.contains("resp=3")), "{protocol}");
}

#[tokio::test]
async fn calls_of_many_tasks_share_a_connection_and_may_be_dropped() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let link = link(&single(tap.port()));
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let link = link.clone();
            tokio::spawn(async move {
                let words = format!("SET key{n} {n}");
                if n % 3 == 0 {
                    // Dropped at some point of its way.
                    let _ =
                        tokio::time::timeout(Duration::from_micros(n * 10), ask::<()>(&link, LONG, &words))
                            .await;
                    return;
                }
                ask::<()>(&link, LONG, &words).await.unwrap();
                let value: u64 = ask(&link, LONG, &format!("GET key{n}")).await.unwrap();
                assert_eq!(value, n, "every call has its own answer");
            })
        })
        .collect();
    crate::support::all(tasks).await;
    assert_eq!(tap.accepted(), 1);
}

#[test]
fn every_runtime_has_a_connection_and_takes_it_along() {
    let main = tokio::runtime::Runtime::new().unwrap();
    let (server, tap) = main.block_on(async {
        let server = RedisServer::start().await;
        let tap = Tap::before(server.port()).await;
        (server, tap)
    });
    let link = link(&single(tap.port()));
    for round in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ask::<()>(&link, LONG, "PING").await.unwrap();
            ask::<()>(&link, LONG, "PING").await.unwrap();
        });
        assert_eq!(tap.accepted(), round);
        drop(runtime);
    }
    main.block_on(eventually("the connections are closed", async || tap.open() == 0));
    drop((server, tap));
}

#[tokio::test]
async fn users_passwords_and_databases_are_used() {
    let server = RedisServer::builder().user("larder", "s3cret").start().await;
    let mut settings = single(server.port());
    settings.username = Some("larder".to_owned());
    settings.password = Some(Secret::new("s3cret"));
    settings.database = 3;
    let known = link(&settings);
    assert_eq!(ask::<String>(&known, LONG, "ACL WHOAMI").await.unwrap(), "larder");
    ask::<()>(&known, LONG, "SET name value").await.unwrap();
    assert_eq!(server.command::<Option<String>>("GET name").await, None, "that is database 0");
    let mut own = known.dedicated(b"name", LONG).await.unwrap();
    let value: Option<String> = own.command(Op::Read, LONG, cmd("GET").arg("name")).await.unwrap();
    assert_eq!(value.as_deref(), Some("value"));

    settings.password = Some(Secret::new("wrong"));
    let unknown = link(&settings);
    let error = ask::<()>(&unknown, LONG, "PING").await.unwrap_err();
    assert_eq!(error.as_str(), "refused");
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn a_password_alone_is_enough() {
    let server = RedisServer::builder().password("s3cret").start().await;
    let mut settings = single(server.port());
    settings.password = Some(Secret::new("s3cret"));
    ask::<()>(&link(&settings), LONG, "SET name value").await.unwrap();
    settings.password = None;
    assert!(ask::<()>(&link(&settings), LONG, "SET name value").await.is_err());
}

#[tokio::test]
async fn tls_is_spoken_to_whom_the_authority_vouches_for() {
    let authority = Authority::new();
    let server = RedisServer::builder().tls(&authority).start().await;
    let mut settings = single(server.tls_port());
    settings.tls = true;
    settings.ca = Some(std::fs::read(authority.file()).unwrap());
    let trusted = link(&settings);
    ask::<()>(&trusted, LONG, "SET name value").await.unwrap();
    assert!(trusted.dedicated(b"name", LONG).await.is_ok());
    assert!(trusted.subscriber(b"name", LONG).await.is_ok());

    settings.ca = Some(std::fs::read(Authority::new().file()).unwrap());
    assert_eq!(ask::<()>(&link(&settings), LONG, "PING").await.unwrap_err().as_str(), "refused");
    settings.ca = Some(b"no certificate".to_vec());
    assert!(matches!(Link::new(&settings, Arc::new(())), Err(UnusableSettings::Ca)));
}

#[tokio::test]
async fn it_starts_before_redis_and_heals() {
    let mut server = RedisServer::builder().absent();
    let link = link(&single(server.port()));
    for _ in 0..3 {
        let error = ask::<()>(&link, LONG, "PING").await.unwrap_err();
        assert_eq!(error.as_str(), "refused");
    }
    server.restart(Data::Lost).await;
    heals(&link, "PING").await;
}

#[tokio::test]
async fn it_survives_a_kill() {
    let mut server = RedisServer::builder().appendonly().start().await;
    let link = link(&single(server.port()));
    ask::<()>(&link, LONG, "SET name value").await.unwrap();
    for data in [Data::Kept, Data::Lost] {
        server.kill();
        eventually("the link notices", async || {
            tokio::time::sleep(Duration::from_millis(10)).await;
            !link.is_up()
        })
        .await;
        let error = ask::<()>(&link, LONG, "PING").await.unwrap_err();
        assert_eq!(error.as_str(), "refused", "while it is away calls fail at once");
        server.restart(data).await;
        heals(&link, "PING").await;
        let value: Option<String> = ask(&link, LONG, "GET name").await.unwrap();
        assert_eq!(value.is_some(), data == Data::Kept);
    }
}

#[tokio::test]
async fn a_frozen_server_costs_the_limit_and_no_more() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let link = link(&single(tap.port()));
    ask::<()>(&link, LONG, "PING").await.unwrap();
    server.freeze();
    let begun = Instant::now();
    assert_eq!(ask::<()>(&link, SHORT, "PING").await.unwrap_err().as_str(), "timeout");
    assert!(begun.elapsed() < DEADLINE / 2, "it ends at its limit");
    // The kernel of a frozen server goes on to accept, so only its silence tells.
    eventually("the connection is given up", async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        !link.is_up()
    })
    .await;
    assert_eq!(ask::<()>(&link, SHORT, "PING").await.unwrap_err().as_str(), "refused");
    server.thaw();
    heals(&link, "PING").await;
    assert!(tap.accepted() >= 2, "by another connection");
}

#[tokio::test]
async fn an_answer_that_comes_late_is_nobody_elses() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let link = link(&single(tap.port()));
    ask::<()>(&link, LONG, "SET first 1").await.unwrap();
    ask::<()>(&link, LONG, "SET second 2").await.unwrap();
    tap.down(Flow::Delay(Duration::from_millis(300)));
    assert_eq!(ask::<u64>(&link, SHORT, "GET first").await.unwrap_err().as_str(), "timeout");
    assert_eq!(ask::<u64>(&link, LONG, "GET second").await.unwrap(), 2);
    assert_eq!(tap.accepted(), 1, "slow is not dead");
}

#[tokio::test]
async fn a_connection_that_is_cut_while_idle_is_replaced_before_it_is_needed() {
    let server = RedisServer::start().await;
    let mut tap = Tap::before(server.port()).await;
    let link = link(&single(tap.port()));
    ask::<()>(&link, LONG, "PING").await.unwrap();
    tap.refuse().await;
    tap.cut();
    eventually("the link notices", async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        !link.is_up()
    })
    .await;
    tap.welcome().await;
    eventually("the link is back", async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        link.is_up()
    })
    .await;
    ask::<()>(&link, LONG, "PING").await.unwrap();
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left() {
    let primary = RedisServer::start().await;
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let link = link(&single(tap.port()));
    ask::<()>(&link, LONG, "SET name value").await.unwrap();
    server.command::<()>(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).await;
    eventually("it says so", async || {
        matches!(ask::<()>(&link, LONG, "SET name value").await, Err(LinkError::Elsewhere(_)))
    })
    .await;
    eventually("another connection is made", async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        tap.accepted() > 1
    })
    .await;
}

#[tokio::test]
async fn blocking_reads_have_a_connection_of_their_own() {
    let server = RedisServer::start().await;
    let link = link(&single(server.port()));
    let mut own = link.dedicated(b"stream", LONG).await.unwrap();
    let read = tokio::spawn(async move {
        let mut command = cmd("XREAD");
        command.arg("BLOCK").arg(20_000).arg("STREAMS").arg("stream").arg("$");
        own.command::<redis::Value>(Op::Read, LONG, &command).await
    });
    server.says("CLIENT LIST", "cmd=xread").await;
    // Longer than the crate would let an answer take, were it not told otherwise.
    tokio::time::sleep(Duration::from_millis(700)).await;
    ask::<()>(&link, LONG, "XADD stream * name value").await.unwrap();
    let answer = within("the reader wakes", read).await.unwrap().unwrap();
    assert!(format!("{answer:?}").contains("value"), "{answer:?}");
}

#[tokio::test]
async fn messages_come_by_a_connection_of_their_own() {
    let server = RedisServer::start().await;
    let link = link(&single(server.port()));
    let mut subscriber = link.subscriber(b"channel", LONG).await.unwrap();
    subscriber.subscribe("channel").await.unwrap();
    let heard: u64 = ask(&link, LONG, "PUBLISH channel word").await.unwrap();
    assert_eq!(heard, 1);
}

fn sentinels(replication: &Replication) -> RedisSettings {
    settings(RedisServers::Sentinel {
        sentinels: replication.sentinels.iter().map(|sentinel| at(sentinel.port())).collect(),
        service: "mymaster".to_owned(),
    })
}

#[tokio::test]
async fn sentinels_are_followed_to_another_primary() {
    let mut replication = Replication::start().await;
    let link = link(&sentinels(&replication));
    ask::<()>(&link, LONG, "SET name value").await.unwrap();
    // Nobody tells the clients, and the old primary goes on to take writes until it is made a replica.
    let next = replication.fail_over().await;
    let port = replication.servers[next].port().to_string();
    eventually("the link goes to the new primary", async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let said = ask::<HashMap<String, String>>(&link, LONG, "CONFIG GET port").await;
        said.is_ok_and(|said| said.get("port") == Some(&port))
    })
    .await;
    ask::<()>(&link, LONG, "SET name other").await.unwrap();
    let mut own = link.dedicated(b"name", LONG).await.unwrap();
    let role: redis::Value = own.command(Op::Read, LONG, &cmd("ROLE")).await.unwrap();
    assert!(format!("{role:?}").contains("master"), "{role:?}");

    // The first sentinel is gone, and the primary dies.
    replication.sentinels[0].kill();
    replication.servers[1 - next].says("GET name", "other").await;
    replication.servers[next].kill();
    heals(&link, "SET name third").await;
    replication.servers[1 - next].says("GET name", "third").await;
}

#[tokio::test]
async fn a_primary_that_is_none_is_not_believed() {
    let primary = RedisServer::start().await;
    let replica =
        RedisServer::builder().line(format!("replicaof 127.0.0.1 {}", primary.port())).start().await;
    let liar = old_sentinel(replica.port()).await;
    let settings =
        settings(RedisServers::Sentinel { sentinels: vec![at(liar)], service: "mymaster".to_owned() });
    let error = ask::<()>(&link(&settings), LONG, "PING").await.unwrap_err();
    assert!(error.to_string().contains("is no primary"), "{error}");
}

#[tokio::test]
async fn servers_that_do_not_know_the_newer_protocol_are_spoken_to_in_theirs() {
    let server = RedisServer::start().await;
    let settings = settings(RedisServers::Sentinel {
        sentinels: vec![at(old_sentinel(server.port()).await)],
        service: "mymaster".to_owned(),
    });
    let link = link(&settings);
    eventually("it is asked by RESP2", async || ask::<()>(&link, LONG, "PING").await.is_ok()).await;
    let clients: String = ask(&link, LONG, "CLIENT LIST").await.unwrap();
    assert!(clients.contains("resp=2") || !clients.contains("resp="), "{clients}");
}

/// A sentinel of before Redis 6, which names this port of this machine as the primary's; its own port.
async fn old_sentinel(names: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, names));
        }
    });
    port
}

/// Answers commands that come as arrays of strings without line breaks.
async fn speak(stream: TcpStream, names: u16) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(head)) = lines.next_line().await {
        let count: usize = head.strip_prefix('*').unwrap().parse().unwrap();
        let mut words = Vec::new();
        for _ in 0..count {
            lines.next_line().await.unwrap();
            words.push(lines.next_line().await.unwrap().unwrap());
        }
        let answer = match words[0].to_ascii_uppercase().as_str() {
            "PING" => "+PONG\r\n".to_owned(),
            "SENTINEL" => {
                let port = names.to_string();
                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
            }
            other => format!("-ERR unknown command '{other}'\r\n"),
        };
        writer.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn nodes(cluster: &Cluster) -> RedisSettings {
    settings(RedisServers::Cluster(cluster.servers.iter().map(|server| at(server.port())).collect()))
}

#[tokio::test]
async fn a_cluster_is_followed_through_migrations_and_fail_overs() {
    let mut cluster = Cluster::start().await;
    let link = link(&nodes(&cluster));
    for n in 0..50 {
        ask::<()>(&link, LONG, &format!("SET key{n} {n}")).await.unwrap();
    }
    let script = Script::new("return redis.call('SET', KEYS[1], ARGV[1])");
    link.script::<()>(Op::Append, LONG, &script, &[b"{tag}key"], &[b"value"]).await.unwrap();

    // Where this key goes another master takes over without a word to the clients.
    let slot: u16 = ask(&link, LONG, "CLUSTER KEYSLOT moved").await.unwrap();
    let from = cluster.master_of(slot).await;
    let to = (0..3).find(|to| *to != from).unwrap();
    cluster.move_slot(slot, to).await;
    ask::<()>(&link, LONG, "SET moved value").await.unwrap();
    cluster.servers[to].says("GET moved", "value").await;
    let mut own = link.dedicated(b"moved", LONG).await.unwrap();
    own.command::<()>(Op::Read, LONG, cmd("SET").arg("moved").arg("other")).await.unwrap();

    let next = cluster.fail_over(to).await;
    heals(&link, "SET moved third").await;
    cluster.servers[next].says("GET moved", "third").await;

    // The others take over for a master that dies. Its keys are away until then, the rest are not.
    let other = (0..3).find(|other| *other != to).unwrap();
    cluster.servers[other].kill();
    for n in 0..50 {
        heals(&link, &format!("SET key{n} {n}")).await;
    }
    assert!(ask::<()>(&link, LONG, "SET moved fourth").await.is_ok());
}

#[tokio::test]
async fn a_frozen_master_of_a_cluster_is_left_for_its_replica() {
    let cluster = Cluster::start().await;
    let link = link(&nodes(&cluster));
    ask::<()>(&link, LONG, "SET name value").await.unwrap();
    let slot: u16 = ask(&link, LONG, "CLUSTER KEYSLOT name").await.unwrap();
    let master = cluster.master_of(slot).await;
    cluster.servers[master].freeze();
    eventually("the replica has taken over", async || {
        let answer = ask::<()>(&link, Duration::from_millis(500), "SET name other").await;
        if answer.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        answer.is_ok()
    })
    .await;
}
