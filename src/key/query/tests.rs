use super::{NamePattern, QueryRule, plain_stem};
use crate::key::scratch::Scratch;
use proptest::prelude::*;

fn names(list: &str) -> Vec<NamePattern> {
    list.split_whitespace()
        .map(|name| match name.strip_suffix('*') {
            Some(prefix) => NamePattern::StartsWith(prefix.to_owned()),
            None => NamePattern::Exact(name.to_owned()),
        })
        .collect()
}

fn rule(ignore: &str, only: &str, sort: bool) -> QueryRule {
    QueryRule { ignore: names(ignore), only: names(only), sort }
}

fn normalised(rule: &QueryRule, query: Option<&str>) -> Option<String> {
    let mut scratch = Scratch::default();
    rule.normalise(query, &mut scratch).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn check(rule: &QueryRule, cases: &[(&str, Option<&str>)]) {
    assert_eq!(normalised(rule, None), None);
    for (query, expected) in cases {
        assert_eq!(normalised(rule, Some(query)).as_deref(), *expected, "{query}");
    }
}

#[test]
fn without_a_rule_a_query_is_itself() {
    for query in ["", "&", "b=1&a=2", "a=1&&b", "utm_x=1", "a=%41&A", "é"] {
        check(&rule("", "", false), &[(query, Some(query))]);
    }
}

#[test]
fn ignored_parameters_are_left_out_as_sent() {
    check(
        &rule("utm_* fbclid", "", false),
        &[
            ("", Some("")),
            ("a=1", Some("a=1")),
            ("utm_source=x&a=1&fbclid=2&b", Some("a=1&b")),
            ("utm_source=x", None),
            ("utm_source", None),
            ("utm_=&fbclid=", None),
            ("utm_a&&fbclid", Some("")),
            ("fbclid2=1", Some("fbclid2=1")),
            ("a=utm_x", Some("a=utm_x")),
            ("UTM_source=x", Some("UTM_source=x")),
            ("utm%5Fsource=x", Some("utm%5Fsource=x")),
            ("fbclid[]=x", Some("fbclid[]=x")),
            ("a=1&utm_source=x;page=2", Some("a=1&utm_source=x;page=2")),
        ],
    );
    check(&rule("*", "", false), &[("", None), ("a=1&b=2", None), ("a=1;b", Some("a=1;b"))]);
}

#[test]
fn only_keeps_whatever_may_be_one_of_the_listed() {
    check(
        &rule("", "page sort_* filter[color]", false),
        &[
            ("", None),
            ("x=1", None),
            ("x=1&&=2", None),
            ("page=2&x=1&sort_by=name", Some("page=2&sort_by=name")),
            ("pages=2&pag=1", None),
            ("PAGE=2", Some("PAGE=2")),
            ("p%61ge=2", Some("p%61ge=2")),
            ("+page=2", Some("+page=2")),
            ("sort.by=2", Some("sort.by=2")),
            ("Sort_By=2", Some("Sort_By=2")),
            ("page[]=2&page%5b%5D=3&x[]=1", Some("page[]=2&page%5b%5D=3")),
            ("page[=2", Some("page[=2")),
            ("filter%5Bcolor%5D=red&filter=1&filters=2", Some("filter%5Bcolor%5D=red&filter=1")),
            ("x=1;page=2", Some("x=1;page=2")),
            ("[page]=2", Some("[page]=2")),
        ],
    );
    check(&rule("page", "page sort", false), &[("page=1&sort=2&x=3", Some("sort=2"))]);
    check(&rule("", "filter[*", false), &[("filter%5Bx%5D=1&filters=2", Some("filter%5Bx%5D=1"))]);
}

#[test]
fn sorting_keeps_the_order_of_what_may_be_equal() {
    check(
        &rule("", "", true),
        &[
            ("", Some("")),
            ("b=1&a=2", Some("a=2&b=1")),
            ("b&a=2&", Some("&a=2&b")),
            ("b=1&a=2&b=0&a=1", Some("a=2&a=1&b=1&b=0")),
            ("b=1&A=2&a=1", Some("A=2&a=1&b=1")),
            ("ab=1&a=2", Some("a=2&ab=1")),
            ("f[b]=1&f[a]=2&F=0&a=1", Some("a=1&f[b]=1&f[a]=2&F=0")),
            ("f%5Bb%5D=1&f[a]=2&a=1", Some("a=1&f%5Bb%5D=1&f[a]=2")),
            ("b=1&%61=2&a=1", Some("b=1&%61=2&a=1")),
            ("b=1&a.x=2", Some("b=1&a.x=2")),
            ("b=1;c=2&a=2", Some("b=1;c=2&a=2")),
            ("b=%41&a=x.y", Some("a=x.y&b=%41")),
        ],
    );
    check(&rule("%*", "", true), &[("b=1&%61=2&a=1", Some("a=1&b=1"))]);
}

#[test]
fn many_parameters_cost_what_sorting_costs() {
    let scattered = (0..50_000_u32).map(|number| format!("p{:010}=1", number.wrapping_mul(2_654_435_761)));
    let query: Vec<_> = scattered.collect();
    let mut sorted = query.clone();
    sorted.sort();
    let found = normalised(&rule("utm_*", "", true), Some(&query.join("&")));
    assert!(found == Some(sorted.join("&")));
}

#[test]
fn names_are_plain_with_subscripts_or_not_at_all() {
    for (name, stem) in [
        ("", Some("")),
        ("a_B-9~", Some("a_B-9~")),
        ("a[]", Some("a")),
        ("a[b][0]", Some("a")),
        ("a%5Bb%5d[]", Some("a")),
        ("a[%5D", Some("a")),
        ("a[", None),
        ("a[b", None),
        ("a[b]c", None),
        ("a[[b]]", None),
        ("a]", None),
        ("[a]", None),
        ("a.b", None),
        ("a+b", None),
        ("a%41", None),
        ("a%5", None),
        ("é", None),
    ] {
        assert_eq!(plain_stem(name.as_bytes()), stem.map(str::as_bytes), "{name}");
    }
}

/// A parameter in several spellings, and some that are like it.
fn a_parameter() -> impl Strategy<Value = String> {
    let names = &["a", "A", "b", "ab", "a[]", "a[x]", "b%5B%5D", "a.b", "%61", "", "utm_a", "é"][..];
    let values = &["", "=", "=1", "=2", "=1=2", "=1;b=2"][..];
    (prop::sample::select(names), prop::sample::select(values))
        .prop_map(|(name, value)| format!("{name}{value}"))
}

fn name_of(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(name, _)| name)
}

fn a_rule() -> impl Strategy<Value = QueryRule> {
    let list = || prop::sample::select(&["", "", "a", "a* ab", "utm_* b", "*"][..]);
    (list(), list(), any::<bool>()).prop_map(|(ignore, only, sort)| rule(ignore, only, sort))
}

proptest! {
    #[test]
    fn what_is_left_was_sent_in_that_order_for_each_name(
        parameters in prop::collection::vec(a_parameter(), 1..12),
        rule in a_rule(),
    ) {
        let query = parameters.join("&");
        let Some(left) = normalised(&rule, Some(&query)) else {
            prop_assert!(parameters.iter().all(|parameter| !parameter.contains(';')));
            return Ok(());
        };
        prop_assert_eq!(normalised(&rule, Some(&left)), Some(left.clone()));
        let left: Vec<_> = left.split('&').collect();
        if rule.ignore.is_empty() && rule.only.is_empty() {
            prop_assert_eq!(left.len(), parameters.len());
        }
        for name in left.iter().map(|parameter| name_of(parameter)) {
            let mut sent = parameters.iter().filter(|parameter| name_of(parameter) == name);
            for parameter in left.iter().filter(|parameter| name_of(parameter) == name) {
                prop_assert!(sent.any(|known| known == parameter), "{} in order", parameter);
            }
        }
    }

    #[test]
    fn no_query_is_too_odd(query in "\\PC{0,80}", rule in a_rule()) {
        normalised(&rule, Some(&query));
    }
}
