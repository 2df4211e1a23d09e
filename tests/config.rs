//! The configuration as users meet it: text in; settings, or every fault with its place, out.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]

use larder::config::{self, Faults, Settings};

#[path = "config/accepted.rs"]
mod accepted;
#[path = "config/cdn.rs"]
mod cdn;
#[path = "config/events.rs"]
mod events;
#[path = "config/faults.rs"]
mod faults;
#[path = "config/files.rs"]
mod files;
#[path = "config/hostile.rs"]
mod hostile;
#[path = "config/pages.rs"]
mod pages;
#[path = "config/second_reader.rs"]
mod second_reader;

/// The environment of all tests.
fn env(name: &str) -> Option<String> {
    match name {
        "LARDER_ADMIN_TOKEN" => Some("open-sesame".into()),
        "PORT" => Some("8081".into()),
        "PATTERN" => Some("/a/{id}".into()),
        "EMPTY" => Some(String::new()),
        "SECRET" => Some("hunter2 {oops".into()),
        _ => None,
    }
}

fn parse(yaml: &str) -> Result<Settings, Faults> {
    config::parse(yaml, "f.yaml", &env)
}
