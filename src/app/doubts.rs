//! What a configuration says of CDNs that works, and hardly as it was meant.

use super::cdns::Aims;
use crate::cdn::{CdnSettings, Reach, Unsayable};
use crate::config::Settings;
use crate::invalidation::{Invalidation, Matcher};
use std::collections::BTreeSet;

/// A sentence for each thing that an operator would want to know before it is missed.
pub(crate) fn doubts(settings: &Settings, aims: &Aims) -> Vec<String> {
    let mut found = Vec::new();
    for (name, aim) in &aims.cdns {
        let tagged = aims.reach.routes.iter().filter(|route| !route.tags.is_empty());
        let unsaid = tagged.filter_map(|route| {
            let purge = Invalidation::hard(Matcher::Route((&*route.name).into()));
            aim.targets(&purge, &aims.reach).err().filter(|error| matches!(error, Unsayable::AnyHost(_)))
        });
        found.extend(
            unsaid.map(|error| {
                format!("CDN `{name}` cannot be told what is purged by tag or by route: {error}")
            }),
        );
    }
    found.extend(settings.cdns.iter().flat_map(|cdn| strange_hosts(cdn, &aims.reach)));
    found
}

/// Hosts of a CDN that a file which names hosts names nowhere else. Where it names none, requests may have any.
fn strange_hosts(cdn: &CdnSettings, reach: &Reach) -> Vec<String> {
    let of_routes = reach.routes.iter().filter_map(|route| route.host.as_ref());
    let named: BTreeSet<&str> = reach.aliases.canonical_names().collect();
    let literal: BTreeSet<&str> = of_routes.clone().filter_map(|host| host.literal()).collect();
    if named.is_empty() && literal.is_empty() {
        return Vec::new();
    }
    let known = |host: &str| {
        let service = reach.aliases.canonical(host);
        service != host || named.contains(host) || of_routes.clone().any(|pattern| pattern.matches(service))
    };
    let strange = cdn.hosts.iter().filter(|host| !known(host));
    strange.map(|host| format!(
        "CDN `{}`: its `hosts` name `{host}`, which the file names nowhere else: it is told of URLs and prefixes only where requests \
         reach Larder under that name; if they come under another, list it in `host_aliases` of that",
        cdn.name
    )).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let text = format!("origin: http://127.0.0.1:3000\n{yaml}");
        let settings = crate::config::parse(&text, "proxy.yaml", &|_| None).expect("a configuration");
        let aims = Aims::new(&settings).expect("APIs");
        let found = doubts(&settings, &aims);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    fn cdn(more: &str) -> String {
        format!(
            "cdn: [{{ name: edge, {more} http: {{ queries: true, url: {{ method: PURGE, url: \"http://cache{{path}}\", headers: {{ Host: \"{{host}}\" }} }} }} }}]\n"
        )
    }

    #[test]
    fn a_cdn_that_can_never_be_told_of_tags_is_named() {
        let route = |more: &str| {
            format!(
                "routes: [{{ name: product, {more} path: \"/api/products/{{id}}\", cache: {{ ttl: 1h, tags: [\"product:{{id}}\"] }} }}]\n"
            )
        };
        check(
            &(cdn("") + &route("")),
            &["`edge` cannot be told what is purged by tag or by route: route `product`"],
        );
        check(&(cdn("hosts: [shop.test],") + &route("")), &[]);
        check(&(cdn("public_url: \"http://shop.test\",") + &route("")), &[]);
        check(&(cdn("") + &route("host: shop.test,")), &[]);
        check(&cdn(""), &[]);
    }

    #[test]
    fn hosts_that_nothing_else_names_are_told() {
        let hosts = cdn("hosts: [www.shop.test],");
        check(&hosts, &[]);
        check(&format!("{hosts}host_aliases: {{ shop.test: [www.shop.test] }}\n"), &[]);
        check(&format!("{hosts}host_aliases: {{ www.shop.test: [shop.svc] }}\n"), &[]);
        check(
            &format!("{hosts}host_aliases: {{ shop.test: [shop.svc] }}\n"),
            &["`hosts` name `www.shop.test`"],
        );
        check(&format!("{hosts}routes: [{{ name: a, host: \"*.shop.test\", path: /a }}]\n"), &[]);
        check(
            &format!("{hosts}routes: [{{ name: a, host: shop.test, path: /a }}]\n"),
            &["`hosts` name `www.shop.test`"],
        );
    }
}
