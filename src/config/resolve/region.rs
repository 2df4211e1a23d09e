//! `region`.

use super::Scope;
use crate::config::raw;
use crate::config::read::{Field, List, Map};
use crate::key::RegionRule;
use std::collections::HashMap;
use std::sync::Arc;

/// The region of clients that no entry of `map` names, unless the user calls it otherwise.
const ELSEWHERE: &str = "default";

/// The rule, for those routes whose `vary` names the region.
pub(super) fn rule(scope: &Scope<'_>, written: &Field<raw::Region>) -> Field<Arc<RegionRule>> {
    let Field::Set(at) = written else {
        return if written.is_absent() { Field::Absent } else { Field::Faulty };
    };
    let raw::Region { header, map, default } = &at.value;
    let remedy = "write the header that names the client's country, such as `CloudFront-Viewer-Country`";
    let header = scope.required(header, at, "header", remedy);
    let map = map.value().map(|map| countries(scope, map)).unwrap_or_default();
    let default = default.value().map_or(ELSEWHERE, String::as_str).to_owned();
    let Some(header) = header else { return Field::Faulty };
    Field::Set(at.with(Arc::new(RegionRule { header: header.value.clone(), map, default })))
}

/// Value of the header, in capitals → region.
fn countries(scope: &Scope<'_>, map: &Map<List<String>>) -> HashMap<String, String> {
    let mut regions = HashMap::new();
    for (region, countries) in &map.entries {
        for country in countries.value().into_iter().flat_map(|list| &list.items) {
            let value = country.value.trim().to_ascii_uppercase();
            match regions.get(&value) {
                None => {
                    regions.insert(value, region.value.clone());
                }
                Some(other) => {
                    let problem = format!("{} is in the region `{other}` already", country.shown);
                    country.fault(scope.report, problem, "keep it in one region");
                }
            }
        }
    }
    regions
}
