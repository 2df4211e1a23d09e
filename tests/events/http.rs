//! `POST /events`.

use crate::harness::{Shop, counted, edition, figures, fill, nodes, refused, with_events};
use crate::support::{Larder, Origin, RedisServer, Response};
use serde_json::{Value, json};

async fn post(larder: &Larder, target: &str, event: &Value) -> Response {
    larder.admin("POST", target).json(event).send().await
}

fn said(reply: &Response) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

#[tokio::test]
async fn an_event_purges_what_its_rule_says() {
    let origin = Origin::start().await;
    let (shop, larder) = (Shop::at(&origin), with_events(Larder::before(&origin), "").start());
    let nodes = [larder];
    for (event, purged, gone, kept) in [
        (json!({ "event": "product_updated", "product_id": 7 }), 1, "/p/7", "/p/8"),
        (json!({ "event": "product_updated", "product_id": [7, "9"] }), 2, "/p/9", "/p/8"),
        (json!({ "event": "price_updated", "product_id": "7" }), 2, "/p/7", "/p/8"),
        (json!({ "event": "price_updated", "product_id": 7 }), 2, "/list", "/p/8"),
        (json!({ "event": "category_updated", "category": { "id": "a" } }), 1, "/c/a/b", "/c/ab"),
        (json!({ "event": "sale" }), 1, "/p/8", ""),
    ] {
        fill(&nodes, &shop, gone).await;
        let old = match kept {
            "" => None,
            kept => Some((kept, edition(&nodes[0], kept).await)),
        };
        shop.edit();
        let reply = post(&nodes[0], "/events", &event).await;
        assert_eq!((reply.status, said(&reply)["purged"].as_u64()), (202, Some(purged)), "{event}");
        assert!(said(&reply)["position"].is_string(), "{event}");
        assert_eq!(edition(&nodes[0], gone).await, shop.edition(), "{event}");
        if let Some((kept, old)) = old {
            assert_eq!(edition(&nodes[0], kept).await, old, "{event}");
        }
        post(&nodes[0], "/events", &json!({ "event": "sale" })).await;
    }
    assert_eq!(nodes[0].metric_where("larder_events_total", "source=\"http\",result=\"purged\"").await, 12.0);
}

#[tokio::test]
async fn what_is_wrong_is_answered_counted_and_kept() {
    let origin = Origin::start().await;
    let larder = with_events(Larder::before(&origin), "").start();
    let check = async |body: &str, status: u16, kind: &str, part: &str| {
        let request = larder.admin("POST", "/events").header("Content-Type", "application/json");
        let reply = request.body(body.to_owned()).send().await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        let said = said(&reply);
        assert_eq!(said["type"], format!("urn:larder:problem:{kind}"), "{body}");
        assert!(reply.text().contains(part), "{body}: {}", reply.text());
    };
    check("{", 400, "invalid-body", "it is not JSON").await;
    check("[]", 400, "invalid-body", "it is a list").await;
    check("{}", 400, "invalid-body", "`event` has to be a text").await;
    check(r#"{"event":"lost"}"#, 422, "unknown-event", "no rule is about events named `lost`").await;
    check(r#"{"event":"product_updated"}"#, 422, "incomplete-event", "nothing is purged").await;
    check(r#"{"event":"price_updated"}"#, 422, "incomplete-event", "1 of the purges are made").await;
    check(&format!("{{\"a\":\"{}\"}}", "x".repeat(70_000)), 413, "body-too-large", "70008 bytes").await;
    let figures = figures(&larder).await;
    let results = &figures["results"]["http"];
    for (result, count) in
        [("purged", 0), ("malformed", 3), ("unknown", 1), ("incomplete", 2), ("too_large", 1)]
    {
        assert_eq!(results[result], count, "{result}");
    }
    let letters = figures["dead_letters"].as_array().expect("a list");
    assert_eq!(letters.len(), 7);
    assert_eq!((&letters[0]["result"], &letters[6]["result"]), (&json!("too_large"), &json!("malformed")));
    assert_eq!(letters[2]["payload"], r#"{"event":"product_updated"}"#);
    assert_eq!(letters[2]["reason"], "it lacks `product_id`");
    assert!(letters[0]["payload"].as_str().is_some_and(|text| text.len() < 600));
}

#[tokio::test]
async fn a_token_is_wanted_and_the_fleet_waited_for() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let nodes = nodes(2, &with_events(Larder::before(&origin).redis(&redis.url()), "")).await;
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    let reply =
        post(&nodes[0], "/events?wait=fleet", &json!({ "event": "product_updated", "product_id": 7 })).await;
    assert_eq!((reply.status, &said(&reply)["outstanding"]["nodes"]), (200, &json!([])));
    for node in &nodes {
        assert_eq!(edition(node, "/p/7").await, shop.edition());
    }
    refused(&nodes, &shop, "/p/7").await;
    assert_eq!(counted(&nodes, "http", "purged").await, 1);

    let guarded = with_events(Larder::before(&origin).admin_token("secret-secret-secret"), "").start();
    assert_eq!(post(&guarded, "/events", &json!({ "event": "sale" })).await.status, 401);
    let request = guarded.admin("POST", "/events").header("Authorization", "Bearer secret-secret-secret");
    assert_eq!(request.json(&json!({ "event": "sale" })).send().await.status, 202);
}
