//! `larder run`

use super::arguments::ConfigFile;
use super::failure::Failure;
use super::{configuration, environment};
use crate::app::{self, RunError};
use crate::observe::{self, LogSettings};
use std::io::IsTerminal;

/// Serves until a signal ends it.
pub(super) fn run(arguments: &ConfigFile) -> Result<(), Failure> {
    let path = configuration::find(arguments)?;
    let settings =
        LogSettings::from_env(&environment, std::io::stderr().is_terminal()).map_err(Failure::usage)?;
    // Held to the end, so that the last lines are written.
    let _log = observe::init(&settings).map_err(anyhow::Error::new)?;
    app::run(&path).map_err(|error| match error {
        RunError::Config(faults) => Failure::faults(faults),
        other => Failure::Failed(other.into()),
    })
}
