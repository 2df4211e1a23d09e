//! `larder completions`

use super::arguments::{Arguments, Completions};
use super::failure::Failure;
use super::output;
use clap::CommandFactory;

/// Prints the script for a shell.
pub(super) fn completions(arguments: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "larder", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
