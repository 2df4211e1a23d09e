//! Text that nobody wrote to configure a proxy.

use crate::parse;
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[track_caller]
fn refused(yaml: &str, problem: &str) {
    let started = Instant::now();
    let faults = parse(yaml).expect_err("no configuration").to_string();
    assert!(faults.contains(problem), "{}", &faults[..faults.len().min(1000)]);
    // A debug build needs some hundredths of a second; a bomb that went off would need hours.
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn aliases_of_aliases_do_not_multiply() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=12 {
        let below = format!("*a{}", level - 1);
        yaml.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
    }
    refused(&yaml, "a4[7]: aliases add more than 100000 values to the file; write the values out");
}

#[test]
fn aliases_of_aliases_do_not_nest_deeper_than_a_stack() {
    let mut yaml = "a0: &a0 [x]\n".to_owned();
    for level in 1..=5000 {
        yaml.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    refused(&yaml, "nests deeper than 64 levels");
}

#[test]
fn an_alias_cannot_hold_itself() {
    refused(
        "origin: &o [*o]",
        "1:13: origin[0]: the alias stands inside of what it stands for; write the value out",
    );
}

#[test]
fn depth_is_bounded() {
    refused(&"[".repeat(200), "nests deeper than 64 levels");
    refused(&"[".repeat(100_000), "nest fewer brackets");
    refused(&"- ".repeat(100_000), "nests deeper than 64 levels");
    let nested: String = (0..1000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    refused(&nested, "nests deeper than 64 levels");
}

#[test]
fn a_file_of_nothing_but_faults_is_told_in_part() {
    let yaml: String = (0..50_000).map(|number| format!("key{number}: x\n")).collect();
    refused(&yaml, "more faults are not shown");
}

#[test]
fn ten_thousand_routes_are_read_in_one_breath() {
    let mut yaml = "origin: http://a\nroutes:\n".to_owned();
    for number in 0..10_000 {
        yaml.push_str(&format!(
            "- name: r{number}\n  path: /r{number}/{{id}}\n  cache: {{ ttl: 1h, tags: [\"r{number}:{{id}}\"] }}\n"
        ));
    }
    let started = Instant::now();
    assert_eq!(parse(&yaml).unwrap().routes.len(), 10_001);
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// Pieces of which almost-configurations are made.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "origin",
        "origins",
        "default",
        "servers",
        "http://127.0.0.1:3000",
        "routes",
        "name",
        "path",
        "/a/{id}",
        "cache",
        "bypass",
        "ttl",
        "1h",
        "30",
        "vary",
        "region",
        "header",
        "map",
        "statuses",
        "404",
        "tags",
        "x:{id}",
        "on_write",
        "purge",
        "url",
        "self",
        "all",
        "true",
        "listen",
        "address",
        "0.0.0.0:8080",
        "admin",
        "token",
        "${PORT}",
        "${NOPE}",
        "${",
        "$${",
        "host_aliases",
        "query",
        "only",
        "ignore",
        "utm_*",
        "memory",
        "max_size",
        "8MiB",
        "~",
        "null",
        "'",
        "\"",
        "|",
        ">",
        "&a",
        "*a",
        "!t",
        "%YAML 1.2",
        "---",
        "...",
        "?",
        "#",
        "\\",
        "\t",
        "\u{feff}",
        "\0",
        "\u{85}",
        "é",
        "<<",
    ]);
    let marks = prop::sample::select(vec![
        ": ", ":", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "[", "]", "{", "}", ", ", " ", "",
    ]);
    (words, marks).prop_map(|(word, mark)| format!("{word}{mark}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        told(&text)?;
    }

    #[test]
    fn no_almost_configuration_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        told(&pieces.concat())?;
    }

    #[test]
    fn no_damaged_example_panics(at in 0..10_000_usize, cut in 0..40_usize, put in piece()) {
        let mut text: Vec<_> = include_str!("all.yaml").chars().collect();
        let at = at % text.len();
        text.splice(at..(at + cut).min(text.len()), put.chars());
        told(&text.into_iter().collect::<String>())?;
    }
}

/// Whatever the text is, each fault is one line with a place in the text.
fn told(text: &str) -> Result<(), TestCaseError> {
    let Err(faults) = parse(text) else { return Ok(()) };
    prop_assert!(faults.iter().count() > 0);
    for fault in &faults {
        let line = fault.to_string();
        prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
        prop_assert!(fault.line >= 1 && fault.column >= 1, "{line}");
        prop_assert!(fault.line <= text.lines().count() + 1, "{line}");
        prop_assert!(
            !fault.path.is_empty() && !fault.problem.is_empty() && !fault.remedy.is_empty(),
            "{line}"
        );
        prop_assert!(!line.contains("hunter2") && !line.contains("open-sesame"), "{line}");
    }
    let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
    prop_assert!(places.is_sorted(), "{faults}");
    Ok(())
}
