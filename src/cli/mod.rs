//! The command `larder`: verbs, exit codes, and what a person reads.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. What a verb is asked for goes to standard output, all else to
//! standard error; a reader that leaves early (`larder explain … | head -1`) is no failure.

mod arguments;
mod cdn;
mod check;
mod client;
mod completions;
mod configuration;
mod demo;
mod explain;
mod failure;
mod health;
mod output;
mod purge;
mod run;
mod target;

use arguments::{Arguments, Verb};
use clap::Parser;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command with `arguments`, that of the program's own name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version, too, come as an "error". A terminal that is gone cannot be told.
            _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Check(arguments) => check::check(&arguments),
        Verb::Explain(arguments) => explain::explain(&arguments),
        Verb::Purge(arguments) => purge::purge(&arguments),
        Verb::Cdn(arguments) => cdn::cdn(&arguments),
        Verb::Health(arguments) => health::health(&arguments),
        Verb::Demo(arguments) => demo::demo(&arguments),
        Verb::Completions(arguments) => completions::completions(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::fail(&failure);
            failure.exit_code()
        }
    }
}

/// A variable of the environment; one that is not UTF-8 counts as not set.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests;
