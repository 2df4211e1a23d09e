//! `larder check`

use super::arguments::ConfigFile;
use super::failure::Failure;
use super::{configuration, output};
use crate::app::{Aims, doubts};

/// Reads the configuration and says what is wrong with it, or what it holds, and what of that is hardly meant.
pub(super) fn check(arguments: &ConfigFile) -> Result<(), Failure> {
    let (path, settings) = configuration::load(arguments)?;
    // The last route is the one of requests that no written one matches.
    let routes = settings.routes.len().saturating_sub(1);
    let (routes, origins) = (count(routes, "route"), count(settings.origins.len(), "origin"));
    // What no API can be made of is told by whoever starts; a key file need not be here.
    let doubts = Aims::new(&settings).map_or_else(|_| Vec::new(), |aims| doubts(&settings, &aims));
    let doubts: String = doubts.iter().map(|doubt| format!("warning: {doubt}\n")).collect();
    output::print(&format!("{}: ok, {routes}, {origins}\n{doubts}", path.display()))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(
            (count(0, "route"), count(1, "route"), count(2, "route")),
            ("0 routes".into(), "1 route".into(), "2 routes".into())
        );
    }
}
