//! Which changes of a configuration a running Larder cannot make.

use crate::config::{AdminSettings, EventSettings, FeedSettings, Settings, SharedLogSettings};
use crate::redis::RedisSettings;

/// The keys whose values differ and only take effect after a restart.
pub(super) fn needing_restart(running: &Settings, wanted: &Settings) -> Vec<&'static str> {
    // Taken apart whole, so that whoever adds a setting has to say here what a reload does with it.
    let Settings {
        threads,
        listen,
        trusted_proxies: _,
        host_aliases: _,
        admin: AdminSettings { address: admin, token: _ },
        origins: _,
        memory,
        redis,
        log: SharedLogSettings { redis: log, blind_limit, min_replicas, write_bound },
        spool,
        ledger,
        settle,
        cdns,
        access_log: _,
        routes: _,
        events: EventSettings { rules: _, feeds },
    } = wanted;
    let [wanted_feeds, running_feeds] = [feeds, &running.events.feeds].map(Feeds::of);
    let changed = [
        ("threads", *threads != running.threads),
        ("listen", *listen != running.listen),
        ("admin.address", *admin != running.admin.address),
        ("memory", *memory != running.memory),
        ("redis", *redis != running.redis),
        // Without one of its own the log follows `redis`, which says so itself.
        ("invalidation.redis", *log != running.log.redis && *redis == running.redis),
        ("invalidation.blind_limit", *blind_limit != running.log.blind_limit),
        ("invalidation.min_replicas", *min_replicas != running.log.min_replicas),
        ("invalidation.write_bound", *write_bound != running.log.write_bound),
        ("invalidation.spool", *spool != running.spool),
        ("cdn", *cdns != running.cdns),
        ("invalidation.memory", *ledger != running.ledger),
        ("invalidation.settle", *settle != running.settle),
        ("events.redis_channel", wanted_feeds.channel != running_feeds.channel),
        ("events.redis_stream", wanted_feeds.stream != running_feeds.stream),
        (
            "events.group",
            wanted_feeds.group != running_feeds.group && wanted_feeds.stream == running_feeds.stream,
        ),
        // Without one of their own they come from `redis`, which says so itself.
        ("events.redis", wanted_feeds.elsewhere(running_feeds, *redis == running.redis)),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// Where events come from, key by key.
#[derive(Clone, Copy, Default)]
struct Feeds<'s> {
    redis: Option<&'s RedisSettings>,
    channel: Option<&'s str>,
    stream: Option<&'s str>,
    group: Option<&'s str>,
}

impl<'s> Feeds<'s> {
    fn of(feeds: &'s Option<FeedSettings>) -> Self {
        let Some(FeedSettings { redis, channel, stream, group }) = feeds else { return Self::default() };
        Self {
            redis: Some(redis),
            channel: channel.as_deref(),
            stream: stream.as_deref(),
            group: Some(group),
        }
    }

    fn elsewhere(self, running: Self, tier_stays: bool) -> bool {
        tier_stays && self.redis.is_some() && running.redis.is_some() && self.redis != running.redis
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const RUNNING: &str = "threads: 2
listen: [{ address: 127.0.0.1:8080 }]
admin: { address: 127.0.0.1:9090 }
origin: http://127.0.0.1:3000
memory: { max_size: 64MiB }
redis: { url: redis://redis }
invalidation: { memory: 8MiB, settle: 1s, blind_limit: 5s, min_replicas: 1, write_bound: 60s }
routes: [{ name: a, path: /a }]
events: { redis_channel: c, redis_stream: s, group: g, redis: redis://e, rules: [{ event: e, purge: [{ tag: t }] }] }";

    fn settings(yaml: &str) -> Settings {
        config::parse(yaml, "proxy.yaml", &|_| None).unwrap_or_else(|faults| panic!("{faults}"))
    }

    #[test]
    fn only_what_is_fixed_at_the_start_needs_another() {
        #[track_caller]
        fn check(from: &str, to: &str, wanted: &[&str]) {
            let yaml = RUNNING.replace(from, to);
            assert_ne!(yaml, RUNNING);
            assert_eq!(needing_restart(&settings(RUNNING), &settings(&yaml)), wanted, "{to}");
        }
        check("threads: 2", "threads: 3", &["threads"]);
        check("8080", "8081", &["listen"]);
        check("9090", "9091", &["admin.address"]);
        check("64MiB", "32MiB", &["memory"]);
        check("memory: 8MiB", "memory: 4MiB", &["invalidation.memory"]);
        check("redis://redis", "redis://other", &["redis"]);
        check("redis://redis }", "redis://redis, password: a }", &["redis"]);
        check("settle: 1s,", "settle: 1s, redis: redis://log,", &["invalidation.redis"]);
        check("blind_limit: 5s", "blind_limit: 6s", &["invalidation.blind_limit"]);
        check("replicas: 1", "replicas: 2", &["invalidation.min_replicas"]);
        check("bound: 60s", "bound: 61s", &["invalidation.write_bound"]);
        check("settle: 1s", "settle: 2s", &["invalidation.settle"]);
        check("memory: {", "cdn: [{ name: a, bunny: { pull_zone: 1, access_key: a } }]\nmemory: {", &["cdn"]);
        check("redis_channel: c", "redis_channel: d", &["events.redis_channel"]);
        check("redis_channel: c, ", "", &["events.redis_channel"]);
        check("redis_stream: s", "redis_stream: t", &["events.redis_stream"]);
        check("redis_stream: s, group: g, ", "", &["events.redis_stream"]);
        check("group: g", "group: h", &["events.group"]);
        check("redis://e", "redis://f", &["events.redis"]);
        check("redis: redis://e, ", "", &["events.redis"]);
        check("tag: t", "tag: u", &[]);
        check("3000", "3001", &[]);
        check("path: /a", "path: /b", &[]);
        check("9090 }", "9090, token: secret-secret-secret }", &[]);
    }

    #[test]
    fn a_log_of_its_own_stays_where_it_is() {
        let at = |spool: &str| settings(&format!("origin: http://a\ninvalidation: {{ spool: {spool} }}"));
        assert_eq!(needing_restart(&at("a"), &at("b")), ["invalidation.spool"]);
        assert!(needing_restart(&at("a"), &at("a")).is_empty());
    }

    #[test]
    fn nothing_changed_needs_nothing() {
        assert!(needing_restart(&settings(RUNNING), &settings(RUNNING)).is_empty());
    }
}
