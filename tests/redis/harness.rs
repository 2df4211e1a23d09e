//! The servers and the tap do what the other tests rely on.

use crate::support::{Authority, Cluster, Data, Flow, RedisServer, Replication, Tap, within};
use std::time::Duration;

#[tokio::test]
async fn a_server_keeps_or_loses_its_data() {
    let mut server = RedisServer::builder().appendonly().start().await;
    server.command::<()>("SET name value").await;
    server.kill();
    assert!(server.try_command::<()>("PING").await.is_err());
    server.restart(Data::Kept).await;
    assert_eq!(server.command::<Option<String>>("GET name").await.as_deref(), Some("value"));
    server.restart(Data::Lost).await;
    assert_eq!(server.command::<Option<String>>("GET name").await, None);
}

#[tokio::test]
async fn a_server_knows_its_users_and_speaks_tls() {
    let authority = Authority::new();
    let server = RedisServer::builder().user("larder", "secret").tls(&authority).start().await;
    assert_eq!(server.command::<String>("ACL WHOAMI").await, "larder");
    assert_ne!(server.tls_port(), server.port());
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_is_thawed() {
    let server = RedisServer::start().await;
    let mut connection = server.connect().await;
    server.freeze();
    let early = tokio::time::timeout(Duration::from_millis(50), ping(&mut connection)).await;
    assert!(early.is_err(), "it answered all the same");
    server.thaw();
    within("the answer", ping(&mut connection)).await;
}

async fn ping(connection: &mut redis::aio::MultiplexedConnection) {
    let _: String = redis::cmd("PING").query_async(connection).await.unwrap();
}

#[tokio::test]
async fn sentinels_fail_over() {
    let replication = Replication::start().await;
    assert_eq!(replication.primary().await, 0);
    replication.servers[0].command::<()>("SET name value").await;
    replication.servers[1].says("GET name", "value").await;
    assert_eq!(replication.fail_over().await, 1);
    replication.servers[1].command::<()>("SET name other").await;
}

#[tokio::test]
async fn a_cluster_moves_slots_and_fails_over() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.master_of(0).await, 0);
    cluster.move_slot(0, 1).await;
    assert_eq!(cluster.master_of(0).await, 1);
    let next = cluster.fail_over(1).await;
    cluster.servers[next].says("CLUSTER NODES", "myself,master").await;
}

#[tokio::test]
async fn a_tap_delays_holds_cuts_and_refuses() {
    let server = RedisServer::start().await;
    let mut tap = Tap::before(server.port()).await;
    let client = redis::Client::open(tap.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    tap.down(Flow::Hold);
    assert!(tokio::time::timeout(Duration::from_millis(50), ping(&mut connection)).await.is_err());
    tap.down(Flow::Delay(Duration::from_millis(5)));
    within("the answer", ping(&mut connection)).await;
    assert_eq!((tap.open(), tap.accepted()), (1, 1));
    tap.refuse().await;
    tap.cut();
    assert!(redis::cmd("PING").query_async::<()>(&mut connection).await.is_err());
    assert!(client.get_multiplexed_async_connection().await.is_err());
    tap.welcome().await;
    let mut connection = within("it accepts", client.get_multiplexed_async_connection()).await.unwrap();
    within("the answer", ping(&mut connection)).await;
}
