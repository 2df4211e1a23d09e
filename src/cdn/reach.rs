//! From a purge to what its CDN can be told: as little more than the purge as the API can say, never less.
//!
//! | purge | the first of these that the API has |
//! | --- | --- |
//! | path | its URLs, if those are purged with all their queries · the word of the path · the prefix |
//! | prefix | the prefix · its word |
//! | tag | its word · what the rules say replies with that tag are the answers to: URLs, else prefixes |
//! | route | its word · the prefix that its pattern begins with |
//!
//! and everything behind each. A purge means a service, whatever name it was asked by. An API that wants hosts is told each
//! name under which the CDN may keep it: those that the CDN's `hosts` lists of that service, or the canonical name and all its
//! aliases; the `public_url` alone, if there is one.
//! *Words* are tags that replies bear for the CDN (`tags`); beside any of them goes the word
//! that replies bear which had no room for all.
//!
//! A CDN that takes no tags is told what the *rules* say of a tag. An origin may give the same tag to other replies, and those
//! are not reached; where no rule can have made a tag it has to be from an origin, and everything is purged.

mod rules;

use self::rules::{answers, fill};
use super::spelling::{folder, spellings};
use super::tags::{overflow_word, words_of_matcher};
use super::{CdnSettings, HostUse, Limits, Location, Target, TargetKind};
use crate::invalidation::{Invalidation, Matcher, Mode, Template, Variable, plain_path};
use crate::key::HostAliases;
use crate::route::{Filled, HostPattern, PathPattern};
use std::sync::Arc;

/// What the rules in force reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every route, in the order in which they are tried.
    pub routes: Vec<RouteReach>,
    /// The canonical hosts that are known: those that routes and CDNs name.
    pub hosts: Vec<Box<str>>,
    /// The other names of hosts.
    pub aliases: HostAliases,
}

/// What one route reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteReach {
    /// Its name.
    pub name: Arc<str>,
    /// The host; `None`: any.
    pub host: Option<HostPattern>,
    /// The path; `None`: whatever no other route matches.
    pub path: Option<PathPattern>,
    /// The tags that replies under it bear by rule. None where nothing is stored.
    pub tags: Vec<Template<Variable>>,
}

/// The API of a CDN has no way to say a purge, not even that everything is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// It takes nothing of this kind, nor anything wider.
    #[error("the API of this CDN has no way to purge by {}, nor everything", .0.as_str())]
    Kind(TargetKind),
    /// It is told URLs with their hosts, and a route does not say for which it answers.
    #[error(
        "route `{0}` may answer for any host, and the API of this CDN is told hosts and has no way to purge everything: set `hosts` of the CDN, or `host` of the route"
    )]
    AnyHost(Arc<str>),
}

type Targets = Result<Vec<Target>, Unsayable>;

/// From purges to the targets of one CDN.
#[derive(Clone, Debug)]
pub struct Aim {
    limits: Limits,
    /// As the CDN knows them.
    hosts: Vec<Box<str>>,
    public_url: Option<Arc<str>>,
}

impl Aim {
    /// For a CDN that takes `limits`.
    pub fn new(limits: Limits, settings: &CdnSettings) -> Self {
        let CdnSettings { hosts, public_url, .. } = settings;
        let public_url = public_url.as_ref().map(|url| Arc::from(url.trim_end_matches('/')));
        Self { limits, hosts: hosts.clone(), public_url }
    }

    /// What the API takes.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How a purge of `mode` is told.
    pub fn mode(&self, mode: Mode) -> Mode {
        if self.limits.soft { mode } else { Mode::Hard }
    }

    /// What the CDN is told of a purge; nothing where it does not stand before what is purged.
    pub fn targets(&self, purge: &Invalidation, reach: &Reach) -> Targets {
        let found = match &purge.matcher {
            Matcher::Path { authority, path } => self.of_path(authority, path, reach)?,
            Matcher::Prefix { authority, .. } if !self.stands_before(authority, reach) => Vec::new(),
            matcher @ Matcher::Prefix { authority, path } => match self.limits.prefix {
                Some(_) => self.below(authority, &plain_path(path), reach)?,
                None => self.by_word(matcher, TargetKind::Prefix)?,
            },
            matcher @ Matcher::Tag(tag) => match words_of_matcher(matcher, &self.limits) {
                Some(word) => told(word),
                None => self.of_tag(tag, reach)?,
            },
            matcher @ Matcher::Route(name) => match words_of_matcher(matcher, &self.limits) {
                Some(word) => told(word),
                None => self.of_route(name, reach)?,
            },
            Matcher::All => self.everything(TargetKind::All)?,
        };
        self.fitting(found, reach)
    }

    /// What covers a target and is wider; `None`: nothing is.
    pub fn wider(&self, target: &Target, reach: &Reach) -> Option<Vec<Target>> {
        match target {
            Target::Url(Location { base, path }) | Target::Prefix(Location { base, path }) => {
                match folder(path) {
                    Some(folder) => self.below_base(base, folder, reach).ok(),
                    None if target.kind() == TargetKind::Url => self.below_base(base, "/", reach).ok(),
                    None => self.everything(TargetKind::Prefix).ok(),
                }
            }
            Target::Tag(_) => self.everything(TargetKind::Tag).ok(),
            Target::All => None,
        }
        .filter(|wider| !wider.contains(target))
    }

    /// Everything; `None`: the API cannot be told that.
    pub fn all(&self) -> Option<Vec<Target>> {
        self.everything(TargetKind::All).ok()
    }

    fn of_path(&self, authority: &str, path: &str, reach: &Reach) -> Targets {
        if !self.stands_before(authority, reach) {
            return Ok(Vec::new());
        }
        let urls = || -> Vec<Target> {
            let spellings = spellings(path);
            let of_base = |base: Arc<str>| {
                let location =
                    move |path: &String| Location { base: Arc::clone(&base), path: (&**path).into() };
                spellings.iter().map(location).map(Target::Url)
            };
            self.bases(authority, reach).into_iter().flat_map(of_base).collect()
        };
        if self.limits.url.is_some() && self.limits.queries {
            return Ok(urls());
        }
        let wider = match words_of_matcher(&Matcher::path(authority, path), &self.limits) {
            Some(word) => Ok(told(word)),
            None => self.below(authority, &plain_path(path), reach),
        };
        // Without any way to reach the queries of a URL, at least the URL.
        wider.or_else(|unsayable| match self.limits.url {
            Some(_) => Ok(urls()),
            None => Err(unsayable),
        })
    }

    /// By the rules: what replies with a tag are the answers to.
    fn of_tag(&self, tag: &str, reach: &Reach) -> Targets {
        let mut found = Vec::new();
        let mut made = false;
        for route in &reach.routes {
            for template in &route.tags {
                let Some(filled) = answers(route, template, tag) else { continue };
                made = true;
                for filled in &filled {
                    add(&mut found, self.of_filled(route, filled, reach)?);
                }
            }
        }
        if made { Ok(found) } else { self.everything(TargetKind::Tag) }
    }

    fn of_route(&self, name: &str, reach: &Reach) -> Targets {
        let Some(route) = reach.routes.iter().find(|route| *route.name == *name) else {
            return self.everything(TargetKind::Tag);
        };
        self.of_filled(route, &fill(route.path.as_ref(), &[]), reach)
    }

    /// The paths of a pattern, on each host of its route.
    fn of_filled(&self, route: &RouteReach, filled: &Filled, reach: &Reach) -> Targets {
        let Some(authorities) = self.authorities(route.host.as_ref(), reach) else {
            return self.everything(TargetKind::Url).map_err(|unsayable| match self.takes_places() {
                true => Unsayable::AnyHost(Arc::clone(&route.name)),
                false => unsayable,
            });
        };
        let mut found = Vec::new();
        for authority in &authorities {
            match filled {
                Filled::Paths(paths) => {
                    for path in paths {
                        add(&mut found, self.of_path(authority, path, reach)?);
                    }
                }
                Filled::Below(path) => {
                    let path = if path.is_empty() { "/" } else { path };
                    add(&mut found, self.below(authority, path, reach)?);
                }
            }
        }
        Ok(found)
    }

    /// Everything at or below a path of a service.
    fn below(&self, authority: &str, path: &str, reach: &Reach) -> Targets {
        let mut found = Vec::new();
        for base in self.bases(authority, reach) {
            add(&mut found, self.below_base(&base, path, reach)?);
        }
        Ok(found)
    }

    /// The same under one of its names.
    fn below_base(&self, base: &Arc<str>, path: &str, reach: &Reach) -> Targets {
        if self.limits.prefix.is_some() {
            return Ok(vec![Target::Prefix(Location { base: Arc::clone(base), path: path.into() })]);
        }
        // Words are made of canonical hosts. Where the public one stands for all of them, nobody knows which is meant.
        match base.split_once("://").filter(|_| self.public_url.is_none()) {
            Some((_, name)) => {
                self.by_word(&Matcher::prefix(reach.aliases.canonical(name), path), TargetKind::Prefix)
            }
            None if self.hosts.is_empty() => self.everything(TargetKind::Prefix),
            None => {
                let mut found = Vec::new();
                for host in &self.hosts {
                    let matcher = Matcher::prefix(reach.aliases.canonical(host), path);
                    add(&mut found, self.by_word(&matcher, TargetKind::Prefix)?);
                }
                Ok(found)
            }
        }
    }

    fn by_word(&self, matcher: &Matcher, kind: TargetKind) -> Targets {
        words_of_matcher(matcher, &self.limits).map_or_else(|| self.everything(kind), |word| Ok(told(word)))
    }

    /// Everything, in place of something of a kind that cannot be said.
    fn everything(&self, kind: TargetKind) -> Targets {
        if self.limits.all {
            return Ok(vec![Target::All]);
        }
        if let Some(word) = words_of_matcher(&Matcher::All, &self.limits) {
            return Ok(told(word));
        }
        let bases = match &self.public_url {
            Some(url) => vec![Arc::clone(url)],
            None => self.hosts.iter().map(|host| https(host)).collect(),
        };
        let prefix = |base| Target::Prefix(Location { base, path: "/".into() });
        match self.limits.prefix {
            Some(_) if !bases.is_empty() => Ok(bases.into_iter().map(prefix).collect()),
            _ => Err(Unsayable::Kind(kind)),
        }
    }

    /// The canonical hosts that a route answers for, as far as the CDN stands before them, an empty one for all hosts at
    /// once; `None`: nobody knows them.
    fn authorities(&self, pattern: Option<&HostPattern>, reach: &Reach) -> Option<Vec<Box<str>>> {
        let literal = pattern.and_then(HostPattern::literal);
        if self.hosts.is_empty() && literal.is_none() {
            // A route that takes any host answers for more of them than the file names.
            let at_once = self.public_url.is_some() || self.limits.hosts != HostUse::Needed;
            return at_once.then(|| vec!["".into()]);
        }
        let known = if self.hosts.is_empty() { &reach.hosts } else { &self.hosts };
        let known = known.iter().map(|host| reach.aliases.canonical(host));
        let matching = known.filter(|host| pattern.is_none_or(|pattern| pattern.matches(host)));
        let mut found: Vec<Box<str>> = Vec::new();
        for host in literal.into_iter().chain(matching) {
            if !found.iter().any(|known| **known == *host) {
                found.push(host.into());
            }
        }
        found.retain(|host| self.stands_before(host, reach));
        if self.limits.hosts == HostUse::None {
            found.truncate(1);
        }
        Some(found)
    }

    fn takes_places(&self) -> bool {
        self.limits.url.is_some() || self.limits.prefix.is_some()
    }

    fn stands_before(&self, authority: &str, reach: &Reach) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| reach.aliases.canonical(host) == authority)
    }

    /// What stands before the paths of a service where the CDN knows them.
    fn bases(&self, authority: &str, reach: &Reach) -> Vec<Arc<str>> {
        if let Some(url) = &self.public_url {
            return vec![Arc::clone(url)];
        }
        if authority.is_empty() || self.limits.hosts == HostUse::None {
            return vec![https(authority)];
        }
        if self.hosts.is_empty() {
            let others = reach.aliases.others(authority);
            return std::iter::once(authority).chain(others).map(https).collect();
        }
        let own = self.hosts.iter().filter(|host| reach.aliases.canonical(host) == authority);
        own.map(|host| https(host)).collect()
    }

    /// These, each whose name is too long widened until it is not.
    fn fitting(&self, mut rest: Vec<Target>, reach: &Reach) -> Targets {
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (fit, long): (Vec<_>, Vec<_>) = rest.into_iter().partition(|target| self.fits(target));
            add(&mut found, fit);
            rest = Vec::new();
            for target in long {
                add(&mut rest, self.wider(&target, reach).ok_or(Unsayable::Kind(target.kind()))?);
            }
        }
        Ok(found)
    }

    fn fits(&self, target: &Target) -> bool {
        let longest = self.limits.many(target.kind()).map_or(0, |many| many.longest);
        name_length(target) <= longest
    }
}

fn https(name: &str) -> Arc<str> {
    format!("https://{name}").into()
}

/// Bytes of the name of a target.
pub(super) fn name_length(target: &Target) -> usize {
    match target {
        Target::Url(Location { base, path }) | Target::Prefix(Location { base, path }) => {
            base.len() + path.len()
        }
        Target::Tag(word) => word.len(),
        Target::All => 0,
    }
}

/// A word, and the one for what had no room for it.
fn told(word: Box<str>) -> Vec<Target> {
    let mut words = vec![Target::Tag(word)];
    add(&mut words, vec![Target::Tag(overflow_word())]);
    words
}

fn add(found: &mut Vec<Target>, more: Vec<Target>) {
    for target in more {
        if !found.contains(&target) {
            found.push(target);
        }
    }
}

#[cfg(test)]
mod tests;
