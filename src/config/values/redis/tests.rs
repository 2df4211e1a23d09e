use super::*;

fn at(host: &str, port: u16) -> ServerAddress {
    ServerAddress { host: host.to_owned(), port }
}

#[test]
fn urls() {
    #[track_caller]
    fn check(text: &str, tls: bool, servers: RedisServers, database: u32, user: Option<(&str, &str)>) {
        let (username, password) = user.unzip();
        let url = RedisUrl {
            servers,
            tls,
            database,
            username: username.filter(|name| !name.is_empty()).map(str::to_owned),
            password: password.filter(|word| !word.is_empty()).map(Secret::new),
        };
        assert_eq!(RedisUrl::parse(text), Ok(url), "{text}");
    }
    let single = |host: &str, port| RedisServers::Single(at(host, port));
    check("redis://127.0.0.1:6379", false, single("127.0.0.1", 6379), 0, None);
    check("redis://Redis", false, single("redis", 6379), 0, None);
    check("rediss://redis/", true, single("redis", 6379), 0, None);
    check("redis://[::1]:7000/3", false, single("::1", 7000), 3, None);
    check("redis://[fd00::1]", false, single("fd00::1", 6379), 0, None);
    check("VALKEY://redis", false, single("redis", 6379), 0, None);
    check("valkeys://redis", true, single("redis", 6379), 0, None);
    check("redis://joe:secret@redis/1", false, single("redis", 6379), 1, Some(("joe", "secret")));
    check("redis://:secret@redis", false, single("redis", 6379), 0, Some(("", "secret")));
    check("redis://joe@redis", false, single("redis", 6379), 0, Some(("joe", "")));
    check("redis://joe:a%40b%2Fc%25@redis", false, single("redis", 6379), 0, Some(("joe", "a@b/c%")));
    check("redis://joe:a@b@redis", false, single("redis", 6379), 0, Some(("joe", "a@b")));
    let nodes = || RedisServers::Cluster(vec![at("a", 6379), at("b", 7001), at("::1", 7002)]);
    check("redis-cluster://a,b:7001,[::1]:7002", false, nodes(), 0, None);
    check("rediss-cluster://joe:x@a, b:7001,[::1]:7002/0", true, nodes(), 0, Some(("joe", "x")));
    check("valkeys-cluster://a,b:7001,[::1]:7002/", true, nodes(), 0, None);
    let sentinels = || RedisServers::Sentinel {
        sentinels: vec![at("a", 26379), at("b", 5000)],
        service: "mymaster".to_owned(),
    };
    check("redis-sentinel://a,b:5000/mymaster", false, sentinels(), 0, None);
    check("rediss-sentinel://a,b:5000/mymaster/7", true, sentinels(), 7, None);
    check("valkey-sentinel://:x@a,b:5000/mymaster", false, sentinels(), 0, Some(("", "x")));
}

#[test]
fn faults_of_urls_name_no_password() {
    #[track_caller]
    fn check(text: &str, problem: &str, remedy: &str) {
        let wrong = RedisUrl::parse(text).expect_err(text);
        assert_eq!((wrong.problem.as_str(), wrong.remedy.as_str()), (problem, remedy), "{text}");
    }
    let example = "write the URL of Redis such as `redis://127.0.0.1:6379`";
    check("127.0.0.1:6379", "`127.0.0.1:6379` is not a URL", "write `redis://127.0.0.1:6379`");
    check("joe:secret@redis", "`…@redis` is not a URL", example);
    check("", "`` is not a URL", example);
    check(
        "redis+sentinel://a/m",
        "`redis+sentinel://` is not a scheme of Redis",
        "did you mean `redis-sentinel://`?",
    );
    check("reddis://a", "`reddis://` is not a scheme of Redis", "did you mean `redis://`?");
    let schemes = "write `redis://`, `rediss://`, `redis-cluster://` or `redis-sentinel://`";
    check("http://a", "`http://` is not a scheme of Redis", schemes);
    check("unix:///run/redis.sock", "`unix://` is not a scheme of Redis", schemes);
    check("redis://", "`redis://` has `` for a host", example);
    check("redis://u:secret@:1", "`redis://…@:1` has `:1` for a host", example);
    check("redis://a:99999", "`redis://a:99999` has `a:99999` for a host", example);
    check("redis://a:0", "`redis://a:0` has port 0", "write the port it listens on");
    check(
        "redis://u:secret@a,b",
        "`redis://…@a,b` names several servers",
        "write `redis-cluster://` for the nodes of a cluster, or `redis-sentinel://` for sentinels",
    );
    check(
        "redis-cluster://a,a:6379",
        "`redis-cluster://a,a:6379` names `a:6379` twice",
        "write every server once",
    );
    let number = "write it as in `redis://127.0.0.1:6379/0`";
    for path in ["x", "-1", "+1", "1/2", "9999999999"] {
        let problem = format!("`redis://a/{path}` ends in `{path}`, which is not the number of a database");
        check(&format!("redis://a/{path}"), &problem, number);
    }
    check(
        "redis-cluster://a/1",
        "`redis-cluster://a/1` names a database, and a cluster has one only",
        "remove it",
    );
    let service = "write its name at the end: `redis-sentinel://a:26379,b:26379/mymaster`";
    check("redis-sentinel://a", "`redis-sentinel://a` names no service behind the sentinels", service);
    check(
        "redis://a?protocol=3",
        "`redis://a?protocol=3` has parameters",
        "remove everything from the `?` on, and write keys beside `url`",
    );
    check(
        "redis://u:sec/ret@a",
        "has a `/`, `?` or `#` in front of the `@`",
        "write them as `%2F`, `%3F` and `%23` in a password",
    );
    check(
        "redis://u:sec%ret@a",
        "has a `%` in the user or the password that stands for nothing",
        "write it as `%25`",
    );
    let many: Vec<_> = (0..33).map(|n| format!("h{n}")).collect();
    let wrong = RedisUrl::parse(&format!("redis-cluster://{}", many.join(","))).unwrap_err();
    assert_eq!(wrong.remedy, "write at most 32: they lead to the others");
}

#[test]
fn namespaces() {
    for good in ["larder", "shop:eu", "a-b_c.1"] {
        assert_eq!(Namespace::parse(good), Ok(Namespace(good.to_owned())));
    }
    for bad in ["", "a{b}", "a b", "a*", "ä", "a\n"] {
        assert!(Namespace::parse(bad).is_err(), "{bad:?}");
    }
    assert!(Namespace::parse(&"x".repeat(64)).is_ok());
    assert!(Namespace::parse(&"x".repeat(65)).is_err());
}
