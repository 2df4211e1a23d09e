use super::*;
use crate::cdn::{CallId, Location, TargetKind};

fn settings() -> AkamaiSettings {
    AkamaiSettings {
        host: "akab-test.purge.akamaiapis.net".to_owned(),
        client_token: Secret::new("akab-client"),
        client_secret: Secret::new("hunter2"),
        access_token: Secret::new("akab-access"),
        network: AkamaiNetwork::Production,
        delete: true,
        cp_codes: vec![],
        tags: true,
        endpoint: None,
    }
}

fn akamai(settings: &AkamaiSettings) -> Akamai {
    Akamai::new(settings, Duration::from_secs(5)).unwrap()
}

fn url(path: &str) -> Target {
    Target::Url(Location { base: "https://shop.test".into(), path: path.into() })
}

#[test]
fn each_call_has_its_path() {
    #[track_caller]
    fn check(delete: bool, network: AkamaiNetwork, mode: Mode, target: Target, expected: &str) {
        let akamai = akamai(&AkamaiSettings { delete, network, ..settings() });
        let call = Call { id: CallId(1), kind: target.kind(), mode, targets: vec![target] };
        assert_eq!(akamai.path(&call), expected);
    }
    use AkamaiNetwork::{Production, Staging};
    check(true, Production, Mode::Hard, url("/a"), "/ccu/v3/delete/url/production");
    check(true, Production, Mode::Soft, url("/a"), "/ccu/v3/invalidate/url/production");
    check(false, Staging, Mode::Hard, url("/a"), "/ccu/v3/invalidate/url/staging");
    check(true, Staging, Mode::Hard, Target::Tag("a".into()), "/ccu/v3/delete/tag/staging");
    check(false, Production, Mode::Hard, Target::All, "/ccu/v3/invalidate/cpcode/production");
}

#[test]
fn limits_follow_the_settings() {
    let plain = akamai(&AkamaiSettings { tags: false, ..settings() });
    assert_eq!(plain.limits().many(TargetKind::Tag), None);
    assert_eq!(plain.limits().header, None);
    assert_eq!(plain.limits().many(TargetKind::All), None);
    assert_eq!(plain.limits().many(TargetKind::Prefix), None);
    let whole = akamai(&AkamaiSettings { cp_codes: vec![1], ..settings() });
    assert!(whole.limits().many(TargetKind::Tag).is_some());
    assert!(whole.limits().many(TargetKind::All).is_some());
}

#[test]
fn what_cannot_be_called_is_refused_at_the_start() {
    #[track_caller]
    fn check(settings: &AkamaiSettings, expected: &str) {
        let error = Akamai::new(settings, Duration::from_secs(5)).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    check(&AkamaiSettings { host: "no host".to_owned(), ..settings() }, "no host");
    check(&AkamaiSettings { access_token: Secret::new("hunter2\n"), ..settings() }, "access_token");
}

#[test]
fn objects_are_written_as_they_are_known() {
    #[track_caller]
    fn check(targets: &[Target], expected: &[&str]) {
        assert_eq!(objects(targets, &[12, 345]), expected);
    }
    check(&[url("/a"), url("/b%20c")], &[r#""https://shop.test/a""#, r#""https://shop.test/b%20c""#]);
    check(&[url("/ü \"{x}|")], &[r#""https://shop.test/%C3%BC%20%22%7Bx%7D%7C""#]);
    check(&[Target::Tag("a'b".into())], &[r#""a'b""#]);
    check(&[Target::All], &["12", "345"]);
}

#[test]
fn bodies_hold_what_fits() {
    /// So many objects of so many bytes each, quotes included; how many are in each body.
    #[track_caller]
    fn check(count: usize, length: usize, expected: &[usize]) {
        let objects = vec![json(&"x".repeat(length - 2)); count];
        let bodies = bodies(&objects);
        assert_eq!(bodies.iter().map(|body| body.objects).collect::<Vec<_>>(), expected);
        for body in &bodies {
            assert!(body.text.len() <= MAX_BODY || body.objects == 1);
            let read: serde_json::Value = serde_json::from_slice(&body.text).unwrap();
            assert_eq!(read["objects"].as_array().unwrap().len(), body.objects);
        }
    }
    check(0, 10, &[]);
    check(3, 10, &[3]);
    // 14 bytes of frame, and a comma between each two.
    check(1, 49_986, &[1]);
    check(2, 24_992, &[2]);
    check(2, 24_993, &[1, 1]);
    check(3, 24_992, &[2, 1]);
    check(2, 60_000, &[1, 1]);
}

#[test]
fn a_full_call_is_one_body() {
    let limits = akamai(&settings()).limits().clone();
    for (many, name) in
        [(limits.url.unwrap(), "https://shop.test/0123456789"), (limits.tag.unwrap(), "0123456789")]
    {
        let count = many.targets.min(many.bytes / (name.len() + many.overhead));
        let objects = vec![json(name); count];
        assert_eq!(bodies(&objects).len(), 1);
    }
}

#[test]
fn replies_are_judged() {
    #[track_caller]
    fn check(status: u16, body: &'static str, expected: &str) {
        let reply = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let word = taken(&reply, 1).err().map_or("taken", |error| error.as_str());
        assert_eq!(word, expected, "{status} {body}");
    }
    let accepted = r#"{"httpStatus":201,"detail":"Request accepted","purgeId":"p","estimatedSeconds":5}"#;
    check(201, accepted, "taken");
    check(200, accepted, "taken");
    check(201, r#"{"httpStatus":201,"purgeId":"p"}"#, "taken");
    check(200, r#"{"httpStatus":507,"purgeId":"p"}"#, "server_error");
    check(200, "<html>welcome to the hotel</html>", "server_error");
    check(201, "", "server_error");
    check(400, "{}", "refused");
    check(401, "{}", "credentials");
    check(403, "{}", "credentials");
    check(404, "", "not_found");
    check(413, "{}", "refused");
    check(415, "{}", "refused");
    check(429, "{}", "throttled");
    check(503, "", "server_error");
    check(507, "{}", "server_error");
}

#[test]
fn waits_are_read_from_what_is_left() {
    #[track_caller]
    fn check(fields: &[(&'static str, &str)], objects: usize, expected: u64) {
        let mut reply = Response::builder().status(429);
        for (name, value) in fields {
            reply = reply.header(*name, *value);
        }
        let reply = reply.body(Bytes::new()).unwrap();
        let Err(CallError::Later { after, .. }) = taken(&reply, objects) else { panic!("taken") };
        assert_eq!(after, Some(Duration::from_secs(expected)), "{fields:?}");
    }
    let left = "x-ratelimit-remaining-objects";
    let rate = "x-ratelimit-limit-per-second-objects";
    check(&[], 10, 5);
    check(&[("retry-after", "7"), (left, "0"), (rate, "1")], 100, 7);
    check(&[(left, "9904"), (rate, "200.00")], 100, 5);
    check(&[(left, "0"), (rate, "200.00")], 2_500, 13);
    check(&[(left, "100"), (rate, "8.33")], 350, 31);
    check(&[(left, "0"), (rate, "0.00")], 350, 5);
    check(&[(left, "0"), (rate, "0.0001")], 350, 900);
    check(&[(left, "-3"), (rate, "NaN")], 350, 5);
    check(&[(left, "soon"), (rate, "inf")], 350, 5);
}
