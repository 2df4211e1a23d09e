//! `Cache-Control` of replies and of requests (RFC 9111, 5.2).

use super::directives::{Directive, Member, members};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};
use std::time::Duration;

/// The directives of a reply's `Cache-Control` that a shared cache heeds (RFC 9111, 5.2.2; RFC 5861).
///
/// Unknown ones are ignored (5.2.3), and so is `Pragma` in a reply (5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Nothing may be stored (5.2.2.5).
    pub no_store: bool,
    /// Revalidated before every use (5.2.2.4); also in the form that lists fields.
    pub no_cache: bool,
    /// Not for shared caches (5.2.2.7); also in the form that lists fields.
    pub private: bool,
    /// For every cache (5.2.2.9).
    pub public: bool,
    /// Never served stale (5.2.2.2).
    pub must_revalidate: bool,
    /// The same, for shared caches (5.2.2.8).
    pub proxy_revalidate: bool,
    /// Stored only by caches that know the status, and then `no-store` is void (5.2.2.3).
    pub must_understand: bool,
    /// Lifetime (5.2.2.1).
    pub max_age: Option<Duration>,
    /// Lifetime in shared caches (5.2.2.10).
    pub s_maxage: Option<Duration>,
    /// How long it may be served stale while it is revalidated (RFC 5861, 3).
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may be served stale when the origin fails (RFC 5861, 4).
    pub stale_if_error: Option<Duration>,
}

impl CacheControl {
    /// Reads all `Cache-Control` lines of a reply. What is in doubt is read so that less is stored, for less long:
    ///
    /// - of repeated directives the smallest time counts (4.2.1), and a time that is no row of digits is zero;
    /// - what restricts counts with any argument, so `private="x-user"` is `private` as a whole (5.2.2.7 allows it);
    ///   what permits, `public` and `must-understand`, counts only as it is defined, without one;
    /// - a member outside the grammar (`private; max-age=60`, a quote left open) could have meant anything: it counts
    ///   as `no-store`, and as `private` if it has that word in it, so that no rule can override that.
    pub fn of_reply(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            for member in members(line.as_bytes()) {
                match member {
                    Member::Directive(directive) => all.add(&directive),
                    Member::Malformed(text) => {
                        all.no_store = true;
                        all.private |= contains_word(text, b"private");
                    }
                }
            }
        }
        all
    }

    /// Whether it may not be served stale, whatever other directives say (4.2.4).
    ///
    /// `s-maxage` implies it (5.2.2.10), also beside `stale-while-revalidate`. Some caches see that differently; an
    /// operator who wants that has `override`.
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    fn add(&mut self, directive: &Directive<'_>) {
        match directive {
            d if d.is("no-store") => self.no_store = true,
            d if d.is("no-cache") => self.no_cache = true,
            d if d.is("private") => self.private = true,
            d if d.is("must-revalidate") => self.must_revalidate = true,
            d if d.is("proxy-revalidate") => self.proxy_revalidate = true,
            d if d.is("public") => self.public |= d.bare(),
            d if d.is("must-understand") => self.must_understand |= d.bare(),
            d if d.is("max-age") => shorten(&mut self.max_age, d),
            d if d.is("s-maxage") => shorten(&mut self.s_maxage, d),
            d if d.is("stale-while-revalidate") => shorten(&mut self.stale_while_revalidate, d),
            d if d.is("stale-if-error") => shorten(&mut self.stale_if_error, d),
            _ => {}
        }
    }
}

/// The directives of a request (RFC 9111, 5.2.1), read only where a rule says `client_directives: obey`.
///
/// `no_store` forbids to store the reply, not to answer from what is stored already, so [`decide`](super::decide) does
/// not look at it: whoever fills must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// Neither the request nor its reply may be stored (5.2.1.5).
    pub no_store: bool,
    /// Not from the cache without asking the origin (5.2.1.4).
    pub no_cache: bool,
    /// From the cache or not at all (5.2.1.7).
    pub only_if_cached: bool,
    /// The age up to which a reply is welcome (5.2.1.1).
    pub max_age: Option<Duration>,
    /// How much longer it has to be fresh (5.2.1.3).
    pub min_fresh: Option<Duration>,
    /// How long ago its freshness may have ended (5.2.1.2); without a value, [`Duration::MAX`].
    pub max_stale: Option<Duration>,
    /// The same, when the origin fails (RFC 5861, 4).
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma: no-cache` where there is none (RFC 9111, 5.4).
    ///
    /// Of repeated directives the stricter counts. A `max-age` that is no row of digits is zero; other times that
    /// are none, and members outside the grammar, are ignored: they are wishes, and nobody is harmed.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            all.no_cache = directives(headers, &PRAGMA).any(|directive| directive.is("no-cache"));
            return all;
        }
        directives(headers, &CACHE_CONTROL).for_each(|directive| all.add(&directive));
        all
    }

    fn add(&mut self, directive: &Directive<'_>) {
        match directive {
            d if d.is("no-store") => self.no_store = true,
            d if d.is("no-cache") => self.no_cache = true,
            d if d.is("only-if-cached") => self.only_if_cached = true,
            d if d.is("max-age") => shorten(&mut self.max_age, d),
            d if d.is("min-fresh") => self.min_fresh = self.min_fresh.max(d.seconds()),
            d if d.is("max-stale") => {
                lessen(&mut self.max_stale, if d.bare() { Some(Duration::MAX) } else { d.seconds() });
            }
            d if d.is("stale-if-error") => lessen(&mut self.stale_if_error, d.seconds()),
            _ => {}
        }
    }
}

/// Well-formed directives of all lines.
fn directives<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = Directive<'a>> {
    headers.get_all(name).into_iter().flat_map(|line| members(line.as_bytes())).filter_map(|member| {
        match member {
            Member::Directive(directive) => Some(directive),
            Member::Malformed(_) => None,
        }
    })
}

/// Keeps the smaller time; a value that is none is zero.
fn shorten(time: &mut Option<Duration>, directive: &Directive<'_>) {
    lessen(time, Some(directive.seconds().unwrap_or_default()));
}

/// Keeps the smaller time of those given.
fn lessen(time: &mut Option<Duration>, other: Option<Duration>) {
    *time = match (*time, other) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

fn contains_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
