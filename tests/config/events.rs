//! `events`: what is accepted, and what is said of the rest.

use crate::accepted::everything;
use crate::parse;
use larder::config::{EventSettings, FeedSettings};
use larder::events::{EventRule, EventRules, EventSelector};
use larder::invalidation::{Mode, Template};
use larder::redis::{RedisServers, ServerAddress};

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

/// `events`, below an origin, has exactly these faults, in this order; each without the name of the file.
#[track_caller]
fn check(rest: &str, expected: &[&str]) {
    let yaml = format!("origin: http://a\n{rest}");
    let faults = match parse(&yaml) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    };
    let expected: Vec<_> = expected.iter().map(|fault| format!("f.yaml:{fault}")).collect();
    assert_eq!(faults, expected, "{yaml}");
}

#[test]
fn everything_that_can_be_set() {
    let settings = everything(tempfile::tempdir().unwrap().path());
    let EventSettings { rules, feeds } = settings.events;
    let EventRules { name_field, hosts, aliases, rules } = rules;
    assert_eq!((&*name_field, aliases), ("/meta/type", settings.host_aliases));
    let hosts: Vec<_> = hosts.iter().map(|host| &**host).collect();
    assert_eq!(hosts, ["shop.example.com", "m.example.com:8080"], "an alias is the name it stands for");
    let purge = vec![
        EventSelector::Tag(template("product:{product_id}")),
        EventSelector::Url(template("/api/v1/products/{/product/id}")),
        EventSelector::Prefix(template("https://cdn.example.com/{id}")),
        EventSelector::Route("list".into()),
    ];
    let event = || "product_updated".into();
    let soft = EventRule { event: event(), purge, mode: Mode::Soft };
    assert_eq!(
        rules,
        [soft, EventRule { event: event(), purge: vec![EventSelector::All], mode: Mode::Hard }]
    );
    let Some(FeedSettings { redis, channel, stream, group }) = feeds else { panic!("no feeds") };
    let address = ServerAddress { host: "events".into(), port: 6379 };
    assert_eq!((redis.servers, redis.database), (RedisServers::Single(address), 3));
    assert_eq!((channel.as_deref(), stream.as_deref()), (Some("shop-events"), Some("shop:events")));
    assert_eq!(group, "caches");
}

#[test]
fn what_is_not_said_has_a_default() {
    let events = |yaml: &str| parse(&format!("origin: http://a\n{yaml}")).unwrap().events;
    assert_eq!(events(""), EventSettings::default());
    assert_eq!(events("events: {}"), EventSettings::default());
    let EventSettings { rules, feeds } = events(
        "redis: redis://r
host_aliases: { shop: [www.shop] }
routes: [{ name: a, path: /a, host: m.shop }, { name: b, path: /b, host: '*.shop' }, { name: c, path: /c, host: shop }]
events: { redis_stream: s, rules: [{ event: e, purge: [{ url: /x }] }] }",
    );
    let hosts: Vec<_> = rules.hosts.iter().map(|host| &**host).collect();
    assert_eq!((&*rules.name_field, hosts), ("event", vec!["shop", "m.shop"]));
    let feeds = feeds.unwrap();
    assert_eq!((feeds.channel, feeds.stream.as_deref(), &*feeds.group), (None, Some("s"), "larder"));
    assert_eq!(rules.rules[0].mode, Mode::Hard);
}

#[test]
fn rules_say_what_they_are_about_and_purge() {
    check(
        "events:
  rules:
    - {}
    - { event: e, purge: [] }
    - { name: e, purge: [{ all: true }] }
    - { event: e, tag: t, purge: [{ tag: t, url: /a }, { tags: [a] }, {}, { all: false }] }
    - { event: e, purge: [{ tag: t, soft: true }, { tag: t, when: { status: [201] } }] }
",
        &[
            "4:7: events.rules[0].event: is missing; write the name of the events it is about, such as `event: product_updated`",
            "4:7: events.rules[0].purge: is missing; write what they purge, such as `purge: [{ tag: \"product:{product_id}\" }]`",
            "5:26: events.rules[1].purge: is empty, so the rule purges nothing; write what they purge, such as `purge: [{ tag: \"product:{product_id}\" }]`",
            "6:9: events.rules[2].name: `name` is not a known key; did you mean `event`?",
            "7:19: events.rules[3].tag: `tag` does not belong here; write it under `purge`",
            "7:35: events.rules[3].purge[0]: names several things in one item; write an item of the list for each, such as `- { tag: catalog }`",
            "7:58: events.rules[3].purge[1].tags: `tags` does not belong here; write an item for each: `- { tag: … }`",
            "7:71: events.rules[3].purge[2]: names nothing; write an item of the list for each, such as `- { tag: catalog }`",
            "7:82: events.rules[3].purge[3].all: purges nothing; write `all: true`, or leave it out",
            "8:37: events.rules[4].purge[0].soft: `soft` does not belong here; write it beside `purge`, in a rule of its own",
            "8:61: events.rules[4].purge[1].when: `when` does not belong here; leave it out: an event has no reply, and what it lacks it does not purge",
        ],
    );
}

#[test]
fn selectors_are_about_members_of_events() {
    let member = "write `{name}` for a member of the event, `{/a/b}` for a member of a member, and `{{` or `}}` for a brace itself";
    check(
        "routes: [{ name: list, path: /list }]
events:
  rules:
    - event: e
      purge:
        - { tag: \"a b\" }
        - { tag: \"a{\" }
        - { url: self }
        - { url: \"/a/{b,c}\" }
        - { prefix: \"/a/*\" }
        - { route: lost }
        - { tag: \"p:{body./id}\" }
        - { tag: \"p:{product.id}\" }
      on_unknown: all
  name_field: \"{event}\"
",
        &[
            "7:18: events.rules[0].purge[0].tag: `a b` is not one tag; write `[a, b]` for several",
            &format!("8:18: events.rules[0].purge[1].tag: `a{{` has a brace without its partner; {member}"),
            "9:18: events.rules[0].purge[2].url: an event has no URL of its own; write a path such as `/api/products/{product_id}` or a URL",
            &format!("10:18: events.rules[0].purge[3].url: `{{b,c}}` is not the name of a member; {member}"),
            "11:21: events.rules[0].purge[4].prefix: `/a/*` has a `*`, but a prefix reaches everything below it already; write `/a`",
            "12:20: events.rules[0].purge[5].route: no route is named `lost`; did you mean `list`?",
            "13:18: events.rules[0].purge[6].tag: `{body./id}` is how templates of `on_write` name a value; an event has only members; write `{/id}`",
            "14:18: events.rules[0].purge[7].tag: `{product.id}` leaves open whether it is a member of a member; write `{/product/id}` if it is, or `{/product.id}` for a member of that name",
            "15:7: events.rules[0].on_unknown: `on_unknown` does not belong here; leave it out: an event has no reply, and what it lacks it does not purge",
            "16:15: events.name_field: `{event}` is not the name of a member; write the name of a member such as `event`, or a pointer to one such as `/meta/type`",
        ],
    );
}

#[test]
fn a_path_needs_a_host() {
    let rules = "rules: [{ event: e, purge: [{ url: /a }, { prefix: \"/b/{c}\" }, { url: http://shop/a }, { tag: t }] }]";
    let fault = "is a path, and no host is known that it could be on; write `hosts: [shop.example.com]` under `events`, or the whole URL";
    check(
        &format!("events: {{ {rules} }}"),
        &[
            &format!("2:46: events.rules[0].purge[0].url: {fault}"),
            &format!("2:62: events.rules[0].purge[1].prefix: {fault}"),
        ],
    );
    check(&format!("events: {{ hosts: [shop], {rules} }}"), &[]);
    check(&format!("host_aliases: {{ shop: [] }}\nevents: {{ {rules} }}"), &[]);
    check(&format!("routes: [{{ name: a, path: /a, host: shop }}]\nevents: {{ {rules} }}"), &[]);
    check(
        &format!("events: {{ hosts: [\"*.shop\"], {rules} }}"),
        &["2:19: events.hosts[0]: `*.shop` is not the name of one host; write every name out"],
    );
}

#[test]
fn feeds_need_a_redis_and_a_name() {
    check(
        "events: { redis_channel: c, redis_stream: s, group: g }",
        &[
            "2:26: events.redis_channel: there is no Redis that it could be in; set up `redis`, or write the Redis of the events: `redis: redis://127.0.0.1:6379`",
        ],
    );
    check(
        "events: { redis: redis://e, group: g }",
        &[
            "2:18: events.redis: nothing is read from it; write `redis_channel` or `redis_stream`, or remove it",
            "2:36: events.group: there is no stream that it could read; write `redis_stream`, or remove it",
        ],
    );
    check("events: { redis: redis://e, redis_channel: c }", &[]);
    check(
        "events: { redis: redis://e, redis_stream: s }",
        &[
            "2:9: events.group: is missing: without `redis` no log is shared, and of several Larders in one group only one would purge; write a name that no other Larder has, or set up `redis`",
        ],
    );
    check("events: { redis: redis://e, redis_stream: s, group: node-1 }", &[]);
    check("invalidation: { redis: redis://l }\nevents: { redis: redis://e, redis_stream: s }", &[]);
    check(
        "redis: { url: redis://r, namespace: shop }
events: { redis_channel: \"shop:vacant\", redis_stream: \"{shop}:log:stream\" }",
        &[
            "3:26: events.redis_channel: `shop:vacant` lies in the namespace of what Larder keeps for itself; choose another name, or another `redis.namespace`",
            "3:55: events.redis_stream: `{shop}:log:stream` lies in the namespace of what Larder keeps for itself; choose another name, or another `redis.namespace`",
        ],
    );
    check(
        "events: { redis: { url: redis://e, namespace: n, write: behind }, channel: c }",
        &["2:67: events.channel: `channel` is not a known key; did you mean `redis_channel`?"],
    );
    check(
        "events: { redis: { url: redis://e, namespace: n, write: behind }, redis_channel: c }",
        &[
            "2:47: events.redis.namespace: nothing of Larder's is kept there; remove it",
            "2:57: events.redis.write: is about replies, and here is none; write it under `redis`",
        ],
    );
}
