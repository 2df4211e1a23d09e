//! `cache.tags`: what their names stand for has to be there when a reply is stored.

use super::Scope;
use super::names::Captures;
use super::write::check_names;
use crate::config::raw::Cache;
use crate::config::read::{At, Field, List};
use crate::config::values::TagTemplate;
use crate::engine::CacheRule;
use crate::invalidation::Variable;
use crate::key::{RegionRule, VaryInput};
use std::sync::Arc;

/// Reports what the tags of a rule name that a reply cannot have. `captures`: those of the route; `None` for the tags of
/// `defaults`, which hold for all routes and for requests that none matches.
pub(super) fn check(
    scope: &Scope<'_>,
    rule: &Cache,
    captures: Option<&Captures<'_>>,
    region: &Field<Arc<RegionRule>>,
) {
    for tag in written(rule) {
        match captures {
            Some(captures) => check_names(scope, &tag.with(&tag.value.0), captures),
            None if names(tag, |variable| matches!(variable, Variable::Capture(_))) => tag.fault(
                scope.report,
                "has a capture, but `defaults` also holds for requests that no route matches",
                "write the tag in the routes whose path has the capture",
            ),
            None => {}
        }
        if names(tag, |variable| variable.reads_request_body() || variable.reads_reply_body()) {
            tag.fault(
                scope.report,
                format!(
                    "{} names a value in a body, but the tags of a reply must be known with its head",
                    tag.shown
                ),
                "name a field that the origin sends, such as `{reply.X-Category}`",
            );
        }
        let captured = captures.is_some_and(|captures| !captures.lack("region"));
        if region.is_absent() && !captured && names(tag, |variable| *variable == Variable::Region) {
            tag.fault(
                scope.report,
                format!("{} names the region, which is not set up", tag.shown),
                "write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            );
        }
    }
}

/// Reports tags made of what is no part of the key: requests that differ in it share one reply, which would bear the tag of
/// whichever came first. `own`: the rule as the route writes it; `whole`: over the defaults; `merged`: what comes of that.
/// `captures`: as for [`check`].
pub(super) fn check_key(
    scope: &Scope<'_>,
    own: &Cache,
    whole: &Cache,
    merged: &CacheRule,
    captures: Option<&Captures<'_>>,
    region: &Field<Arc<RegionRule>>,
) {
    let captured = captures.is_some_and(|captures| !captures.lack("region"));
    let inherited = own.tags.is_absent();
    for tag in written(whole) {
        let shown =
            if inherited { format!("the tag {} of `defaults`", tag.shown) } else { tag.shown.to_string() };
        let left_out = |variable: &Variable| match variable {
            Variable::Query(name) => merged.key.query().leaves_out(name),
            _ => false,
        };
        // What the defaults say by themselves is reported there.
        let place = if inherited { own.query.set().map(|at| at.with(())) } else { Some(tag.with(())) };
        if let Some(place) = place.filter(|_| names(tag, left_out)) {
            place.fault(
                scope.report,
                format!("{shown} names a parameter that `query` leaves out of the key"),
                "keep the parameter in the key, or make the tag of something else",
            );
        }
        let needed = |variable: &Variable| match variable {
            Variable::Header(name) => Some(VaryInput::Header(name.clone())),
            Variable::Region if !captured && !region.is_absent() => Some(VaryInput::Region),
            _ => None,
        };
        let lacking =
            tag.value.0.variables().filter_map(needed).find(|input| !merged.key.vary().contains(input));
        let place = if inherited { own.vary.set().map(|at| at.with(())) } else { Some(tag.with(())) };
        // What a `vary` that cannot be read names is not known.
        let readable = !matches!(whole.vary, Field::Faulty);
        if let (Some(input), Some(place)) = (lacking, place.filter(|_| readable)) {
            place.fault(
                scope.report,
                format!(
                    "{shown} names what is no part of the key: all would get the tag of whoever asks first"
                ),
                format!("add `{input}` to `vary`, or make the tag of something else"),
            );
        }
    }
}

fn written(rule: &Cache) -> impl Iterator<Item = &At<TagTemplate>> {
    rule.tags.value().into_iter().flat_map(|list: &List<_>| &list.items)
}

fn names(tag: &At<TagTemplate>, is: impl FnMut(&Variable) -> bool) -> bool {
    tag.value.0.variables().any(is)
}
