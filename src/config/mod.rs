//! YAML text → settings: every fault at once, with its place and what to write instead.

mod settings;

pub use settings::{AdminSettings, ListenSettings, Settings, TlsFiles};
