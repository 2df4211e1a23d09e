//! Finding and reading the configuration.

use super::arguments::ConfigFile;
use super::environment;
use super::failure::Failure;
use crate::config::{self, Settings};
use std::path::PathBuf;

/// The file that was named, or the first of the usual ones.
pub(super) fn find(file: &ConfigFile) -> Result<PathBuf, Failure> {
    if let Some(path) = &file.config {
        return Ok(path.clone());
    }
    let path = config::default_path();
    if path.exists() {
        return Ok(path);
    }
    Err(Failure::usage(format!(
        "there is no configuration: neither ./proxy.yaml nor {} exists; \
         name one with -c, or begin with `echo 'origin: http://127.0.0.1:3000' > proxy.yaml`",
        path.display()
    )))
}

/// What it says, with the path it was read from.
pub(super) fn load(file: &ConfigFile) -> Result<(PathBuf, Settings), Failure> {
    let path = find(file)?;
    match config::load(&path, &environment) {
        Ok(settings) => Ok((path, settings)),
        Err(faults) => Err(Failure::faults(faults)),
    }
}
