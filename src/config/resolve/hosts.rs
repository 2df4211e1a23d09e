//! `host_aliases`.

use super::Scope;
use crate::config::fault::quoted;
use crate::config::read::{List, Map, Scalar};
use crate::config::values::Authority;
use crate::key::HostAliases;
use std::collections::{HashMap, HashSet};

/// Other names of services: alias → canonical name.
#[derive(Default)]
pub(super) struct Hosts(HashMap<String, String>);

impl Hosts {
    /// The name that requests for `host` are given, if it is another.
    pub(super) fn canonical(&self, host: &str) -> Option<&str> {
        self.0.get(host).map(String::as_str)
    }

    /// For the layer that applies them.
    pub(super) fn settings(&self) -> HostAliases {
        HostAliases::new(self.0.clone())
    }
}

/// Checks that every alias leads to one name, in one step.
pub(super) fn aliases(scope: &Scope<'_>, written: Option<&Map<List<Authority>>>) -> Hosts {
    let Some(written) = written else { return Hosts::default() };
    let mut canonicals = Vec::new();
    for (key, aliases) in &written.entries {
        match Authority::parse(&key.value) {
            Ok(name) => canonicals.push((name.0, aliases)),
            Err(wrong) => key.fault(scope.report, wrong.problem, wrong.remedy),
        }
    }
    let known: HashSet<_> = canonicals.iter().map(|(name, _)| name.as_str()).collect();
    let mut names = HashMap::new();
    for (canonical, aliases) in &canonicals {
        for alias in aliases.value().into_iter().flat_map(|list| &list.items) {
            let name = &alias.value.0;
            if name == canonical {
                let problem = format!("{} is the name itself", alias.shown);
                alias.fault(scope.report, problem, "remove it from the list");
            } else if known.contains(name.as_str()) {
                let problem = format!("{} has aliases of its own", alias.shown);
                alias.fault(scope.report, problem, format!("move them to {}", quoted(canonical)));
            } else if let Some(other) = names.insert(name.clone(), canonical.clone()) {
                let problem = format!("{} is an alias of {} already", alias.shown, quoted(&other));
                alias.fault(scope.report, problem, "keep one of the two");
            }
        }
    }
    Hosts(names)
}
