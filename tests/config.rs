//! The configuration as users meet it: text in, settings or all faults out.

use larder::config::{Faults, Settings, parse};

fn env(name: &str) -> Option<String> {
    match name {
        "LARDER_ADMIN_TOKEN" => Some("open-sesame".into()),
        "PORT" => Some("8081".into()),
        "SECRET" => Some("hunter2".into()),
        _ => None,
    }
}

fn read(yaml: &str) -> Result<Settings, Faults> {
    parse(yaml, "f.yaml", &env)
}

#[test]
fn one_line_is_enough() {
    let settings = read("origin: http://127.0.0.1:3000").unwrap();
    assert_eq!(settings.listen[0].address.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:9090");
    assert!(settings.routes[0].cache.is_some());
}
