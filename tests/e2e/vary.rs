//! Variants: side by side, never mixed up, purged together.

use crate::support::{Gate, Larder, Origin, Reply, Seen};
use serde_json::json;

/// Answers in the language that is asked for.
fn in_language(seen: &Seen) -> Reply {
    let language = seen.fields.get("accept-language").unwrap_or("none");
    Reply::fresh(60, format!("hello in {language}")).header("Vary", "Accept-Language")
}

async fn hello(larder: &Larder, language: &str) -> (String, bool) {
    let reply = larder.get("/hello").header("Accept-Language", language).send().await;
    (reply.text().to_owned(), reply.is_hit())
}

#[tokio::test]
async fn variants_of_the_origin_live_side_by_side_and_die_together() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on_request("/hello", in_language);

    for round in 0..2 {
        for language in ["en", "de", "fr"] {
            for hit in [false, true] {
                assert_eq!(hello(&larder, language).await, (format!("hello in {language}"), hit), "{round}");
            }
        }
        let none = larder.get("/hello").send().await;
        assert_eq!((none.text(), none.is_hit()), ("hello in none", false), "{round}");
        assert_eq!(origin.count("/hello"), 4 * (round + 1));
        larder.purge(json!({"urls": ["http://shop.test/hello"]})).await;
    }
}

#[tokio::test]
async fn a_miss_among_variants_says_so() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on_request("/hello", in_language);

    hello(&larder, "en").await;
    let german = larder.get("/hello").header("Accept-Language", "de").send().await;
    assert!(german.says("fwd=vary-miss") && german.says("stored"), "{}", german.cache_status());
}

#[tokio::test]
async fn a_reply_that_varies_on_everything_is_never_stored() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("defaults: { cache: { ttl: 60s } }").start();
    for vary in ["*", "Accept, *", "Accept Language"] {
        origin.on("/x", Reply::fresh(60, "x").header("Vary", vary));
        let before = origin.count("/x");
        for round in 1..3 {
            assert!(!larder.get("/x").send().await.is_hit());
            assert_eq!(origin.count("/x"), before + round, "Vary: {vary}");
        }
    }
}

#[tokio::test]
async fn those_who_wait_for_one_fill_each_get_their_own_variant() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on_request("/hello", move |seen| in_language(seen).hold_head(&held));

    // None of them can know that the reply varies before the first head is there.
    let languages = ["en", "de", "en", "fr", "de", "en"];
    let ask = |language: &str| tokio::spawn(larder.get("/hello").header("Accept-Language", language).send());
    let asked: Vec<_> = languages.iter().map(|language| ask(language)).collect();
    gate.reached().await;
    gate.open();
    for (language, reply) in languages.iter().zip(asked) {
        assert_eq!(reply.await.unwrap().text(), format!("hello in {language}"));
    }
}

#[tokio::test]
async fn a_rule_can_vary_on_headers_cookies_and_the_region() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin)
        .rules(
            r#"
            region:
              header: CloudFront-Viewer-Country
              map: { eu: [DE, FR], us: [US, CA] }
              default: us
            defaults:
              cache:
                ttl: 60s
                vary: [region, "header:Accept-Language", "cookie:currency"]
            "#,
        )
        .start();
    origin.on_request("/price", |seen| {
        let field = |name| seen.fields.get(name).unwrap_or("none");
        let inputs = [field("cloudfront-viewer-country"), field("accept-language"), field("cookie")];
        Reply::ok(inputs.join("|"))
    });

    // Fields of a request, and whether an earlier one has brought the reply.
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[], false),
        (&[], true),
        // The default region, asked for by name.
        (&[("CloudFront-Viewer-Country", "US")], true),
        (&[("CloudFront-Viewer-Country", "CA")], true),
        (&[("CloudFront-Viewer-Country", "JP")], true),
        (&[("CloudFront-Viewer-Country", "DE")], false),
        (&[("CloudFront-Viewer-Country", "FR")], true),
        (&[("CloudFront-Viewer-Country", "fr")], true),
        (&[("Accept-Language", "de")], false),
        (&[("Accept-Language", "de")], true),
        (&[("Accept-Language", "de"), ("CloudFront-Viewer-Country", "DE")], false),
        (&[("Cookie", "currency=EUR")], false),
        (&[("Cookie", "currency=EUR")], true),
        (&[("Cookie", "currency=USD")], false),
        (&[("X-Other", "1")], true),
    ];
    for (fields, hit) in cases {
        let request =
            fields.iter().fold(larder.get("/price"), |request, (name, value)| request.header(name, *value));
        assert_eq!(request.send().await.is_hit(), *hit, "{fields:?}");
    }

    larder.purge(json!({"urls": ["http://shop.test/price"]})).await;
    for fields in [&[][..], &[("Cookie", "currency=EUR")], &[("Accept-Language", "de")]] {
        let request =
            fields.iter().fold(larder.get("/price"), |request, (name, value)| request.header(name, *value));
        assert!(!request.send().await.is_hit(), "{fields:?} survived the purge");
    }
}
