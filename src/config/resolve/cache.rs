//! `cache`: the rule of a route over the one in `defaults`.

use super::Scope;
use crate::config::raw::{Cache, Query};
use crate::config::read::{At, Field, List};
use crate::engine::{CacheRule, Collapse};
use crate::key::{KeyRule, QueryRule, RegionRule, VaryInput};
use crate::semantics::FreshnessRule;
use std::sync::Arc;
use std::time::Duration;

/// Inputs of the key beside the URL. Even a handful makes replies rarely shared.
const MAX_INPUTS: usize = 16;

/// The default of `max_ttl`.
const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

impl Cache {
    /// A rule that says nothing.
    pub(super) fn empty() -> Self {
        Self {
            ttl: Field::Absent,
            override_origin: Field::Absent,
            memory_ttl: Field::Absent,
            stale_while_revalidate: Field::Absent,
            stale_if_error: Field::Absent,
            statuses: Field::Absent,
            vary: Field::Absent,
            query: Field::Absent,
            tags: Field::Absent,
            memory: Field::Absent,
            redis: Field::Absent,
            cookies: Field::Absent,
            set_cookie: Field::Absent,
            sliding: Field::Absent,
            max_ttl: Field::Absent,
            collapse: Field::Absent,
            client_directives: Field::Absent,
            cdn_ttl: Field::Absent,
        }
    }

    /// This rule, with what it does not say taken from `under`. Lists are replaced as a whole; lifetimes of statuses
    /// and the parts of `query` are taken one by one.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            ttl: self.ttl.or(under.ttl),
            override_origin: self.override_origin.or(under.override_origin),
            memory_ttl: self.memory_ttl.or(under.memory_ttl),
            stale_while_revalidate: self.stale_while_revalidate.or(under.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(under.stale_if_error),
            statuses: join(self.statuses, under.statuses, |mut own, under| {
                for (status, lifetime) in under.0 {
                    if own.0.iter().all(|(known, _)| *known != status) {
                        own.0.push((status, lifetime));
                    }
                }
                own
            }),
            vary: self.vary.or(under.vary),
            query: join(self.query, under.query, Query::over),
            tags: self.tags.or(under.tags),
            memory: self.memory.or(under.memory),
            redis: self.redis.or(under.redis),
            cookies: self.cookies.or(under.cookies),
            set_cookie: self.set_cookie.or(under.set_cookie),
            sliding: self.sliding.or(under.sliding),
            max_ttl: self.max_ttl.or(under.max_ttl),
            collapse: self.collapse.or(under.collapse),
            client_directives: self.client_directives.or(under.client_directives),
            cdn_ttl: self.cdn_ttl.or(under.cdn_ttl),
        }
    }
}

impl Query {
    /// `only` and `ignore` are two answers to one question, so a rule that gives one inherits neither.
    fn over(self, under: Self) -> Self {
        let answered = !self.only.is_absent() || !self.ignore.is_absent();
        let (only, ignore) = if answered { (self.only, self.ignore) } else { (under.only, under.ignore) };
        Self { ignore, only, sort: self.sort.or(under.sort) }
    }
}

/// Both, if there are two.
fn join<T>(own: Field<T>, under: Field<T>, both: impl FnOnce(T, T) -> T) -> Field<T> {
    match (own, under) {
        (Field::Set(own), Field::Set(under)) => {
            let place = own.with(());
            Field::Set(place.with(both(own.value, under.value)))
        }
        (own, under) => own.or(under),
    }
}

/// Reports what a rule says that cannot be, by itself. Called once for every rule in the file, before it is put over
/// the defaults.
pub(super) fn check(scope: &Scope<'_>, rule: &Cache, region: &Field<Arc<RegionRule>>) {
    if let Some(at) = rule.memory_ttl.set().filter(|at| at.value.is_zero()) {
        at.fault(scope.report, "is zero", "write `cache: bypass` to store nothing, or leave it out");
    }
    if let Some(at) = rule.max_ttl.set().filter(|at| at.value.is_zero()) {
        at.fault(scope.report, "is zero", "write how old a reply may get, such as `7d`");
    }
    if let Some(at) = rule.cdn_ttl.set().filter(|at| at.value.as_secs() == 0) {
        let problem = "is less than the second that CDNs count in";
        at.fault(
            scope.report,
            problem,
            "write how long CDNs may keep a reply, such as `1d`, or leave it out",
        );
    }
    if let Some(at) = rule.vary.set().filter(|at| at.value.written > MAX_INPUTS) {
        let problem = format!("names {} inputs", at.value.written);
        at.fault(
            scope.report,
            problem,
            format!("write at most {MAX_INPUTS}: each multiplies what is stored"),
        );
        return;
    }
    for (input, earlier) in with_earlier(rule.vary.value()) {
        if earlier.iter().any(|earlier| earlier.value == input.value) {
            let problem = format!("{} is in the list already", input.shown);
            input.fault(scope.report, problem, "write every input once");
        } else if input.value == VaryInput::Region && region.is_absent() {
            input.fault(
                scope.report,
                "`region` is not set up",
                "write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            );
        }
    }
    if let Some(Query { only, ignore, .. }) = rule.query.value() {
        let given = |list: &Field<List<_>>| list.value().is_some_and(|list| list.written > 0);
        if let Some(at) = ignore.set().filter(|_| given(only) && given(ignore)) {
            at.fault(
                scope.report,
                "`only` leaves out every other parameter already",
                "keep either `only` or `ignore`",
            );
        }
    }
}

/// Reports what a rule says that cannot be once it has been put over the defaults.
pub(super) fn check_merged(scope: &Scope<'_>, rule: &Cache) {
    let has_lifetime = !rule.ttl.is_absent() || !rule.statuses.is_absent();
    if let Some(at) = rule.override_origin.set().filter(|at| at.value && !has_lifetime) {
        at.fault(
            scope.report,
            "there is no `ttl` to replace what the origin says",
            "write `ttl: 1h` beside it, or remove it",
        );
    }
}

/// Every item with those before it.
fn with_earlier<T>(list: Option<&List<T>>) -> impl Iterator<Item = (&At<T>, &[At<T>])> {
    let items = list.map_or(&[][..], |list| &list.items);
    items.iter().enumerate().map(|(index, item)| (item, &items[..index]))
}

/// The rule for the layers that follow it.
pub(super) fn settings(scope: &Scope<'_>, rule: &Cache, region: &Field<Arc<RegionRule>>) -> CacheRule {
    let Cache {
        ttl,
        override_origin,
        memory_ttl,
        stale_while_revalidate,
        stale_if_error,
        statuses,
        vary,
        query,
        tags,
        memory,
        redis,
        cookies,
        set_cookie,
        sliding,
        max_ttl,
        collapse,
        client_directives,
        cdn_ttl,
    } = rule;
    let vary: Vec<_> = vary.value().into_iter().flat_map(List::values).cloned().collect();
    let lifetimes = statuses.value().into_iter().flat_map(|statuses| &statuses.0);
    CacheRule {
        freshness: FreshnessRule {
            ttl: ttl.value().copied(),
            override_origin: override_origin.or_default(false),
            stale_while_revalidate: stale_while_revalidate.value().copied(),
            stale_if_error: stale_if_error.value().copied(),
            statuses: lifetimes.map(|(status, lifetime)| (*status, lifetime.value)).collect(),
            cookies: cookies.or_default(Default::default()),
            set_cookie: set_cookie.or_default(Default::default()),
            client_directives: client_directives.or_default(Default::default()),
            cdn_ttl: cdn_ttl.value().copied(),
        },
        key: KeyRule::new(
            query.value().map_or_else(QueryRule::default, query_rule),
            vary,
            region.value().map(Arc::clone),
        ),
        tags: tags.value().into_iter().flat_map(List::values).map(|tag| tag.0.clone()).collect(),
        memory_ttl: memory_ttl.value().copied(),
        collapse: collapse.or_default(if scope.shared { Collapse::Fleet } else { Collapse::Process }),
        memory: memory.or_default(true),
        remote: redis.or_default(true),
        sliding: sliding.or_default(false).then(|| max_ttl.or_default(MAX_TTL)),
    }
}

fn query_rule(query: &Query) -> QueryRule {
    let Query { ignore, only, sort } = query;
    QueryRule {
        ignore: ignore.value().into_iter().flat_map(List::values).cloned().collect(),
        only: only.value().into_iter().flat_map(List::values).cloned().collect(),
        sort: sort.or_default(false),
    }
}
