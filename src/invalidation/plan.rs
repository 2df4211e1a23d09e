//! What a write invalidates: RFC 9111, 4.4, and the rules of `on_write`.

use super::path::resolve_dots;
use super::url::{self, Place};
use super::{Invalidation, Matcher, Mode, Template, Values, Variable};
use http::{HeaderMap, HeaderName, StatusCode, header};

/// `Location` and `Content-Location` lines that are followed. One of each is all that makes sense; the rest is noise.
const MAX_LOCATIONS: usize = 4;

/// What a rule purges.
///
/// A template whose value is missing does not make a selector vanish, it widens it: to the folder that is known of a
/// URL or prefix, and a tag, which replies of any path may bear, to everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The target of the write itself (always implied).
    SelfUrl,
    /// A URL: `/path` on the same authority, or absolute.
    Url(Template<Variable>),
    /// A tag.
    Tag(Template<Variable>),
    /// All below a path: `/path` on the same authority, or absolute.
    Prefix(Template<Variable>),
    /// All of a route.
    Route(Box<str>),
    /// Everything.
    All,
}

/// What a write under a route purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRule {
    /// What is purged besides the target of the write.
    pub purge: Vec<Selector>,
    /// What becomes of that. The target always dies.
    pub mode: Mode,
}

/// A write as it was seen.
pub struct WriteSeen<'a> {
    /// Canonical authority of its target.
    pub authority: &'a str,
    /// Path of its target, as sent.
    pub path: &'a str,
    /// Status and head of the reply; `None` when the outcome is unknown (reset, time-out, client gone).
    pub reply: Option<(StatusCode, &'a HeaderMap)>,
}

/// The invalidations of a write: none when the reply proves that nothing changed (4xx).
///
/// A write whose outcome is unknown, or that the origin failed (5xx), may have been done: all that can be known is
/// invalidated. `values` tells what templates stand for; `canonical` turns an authority as written (in `Location`, in a rule)
/// into its canonical name. A `Location` of another authority is left alone (RFC 9111, 4.4:
/// nobody may invalidate what is another's).
pub fn plan_write(
    rule: &WriteRule,
    write: &WriteSeen<'_>,
    values: &Values<'_>,
    canonical: impl Fn(&str) -> String,
) -> Vec<Invalidation> {
    if write.reply.is_some_and(|(status, _)| status.is_client_error()) {
        return Vec::new();
    }
    let target = Place { authority: write.authority.to_owned(), path: write.path.to_owned() };
    let mut plan = Plan::default();
    plan.add_path(&target, Mode::Hard);
    if let Some((_, headers)) = write.reply {
        for place in located(headers, &target, &canonical) {
            plan.add_path(&place, Mode::Hard);
        }
    }
    for selector in &rule.purge {
        plan.add_selected(selector, rule.mode, &target, values, &canonical);
    }
    plan.list
}

/// Where `Location` and `Content-Location` point, as far as that lies on the target's authority.
fn located(headers: &HeaderMap, target: &Place, canonical: impl Fn(&str) -> String) -> Vec<Place> {
    const FIELDS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];
    let values = FIELDS.iter().flat_map(|name| headers.get_all(name).iter().take(MAX_LOCATIONS));
    let places = values.filter_map(|value| {
        url::reference(&String::from_utf8_lossy(value.as_bytes()), target, &canonical).ok()
    });
    places.filter(|place| place.authority == target.authority).collect()
}

/// Invalidations without repetition, in the order in which they were found.
#[derive(Default)]
struct Plan {
    list: Vec<Invalidation>,
}

impl Plan {
    fn add_selected(
        &mut self,
        selector: &Selector,
        mode: Mode,
        target: &Place,
        values: &Values<'_>,
        canonical: impl Fn(&str) -> String,
    ) {
        match selector {
            Selector::SelfUrl => {}
            Selector::Url(template) => match values.location(template) {
                Ok(text) => {
                    // A URL of another scheme names nothing that is stored here, so nothing is missed.
                    if let Ok(place) = url::reference(&text, target, canonical) {
                        self.add_path(&place, mode);
                    }
                }
                Err(known) => self.add_folder(&known, mode, target, canonical),
            },
            Selector::Prefix(template) => match values.location(template) {
                Ok(text) => {
                    if let Ok(place) = url::reference(&text, target, canonical) {
                        self.add(Matcher::prefix(&place.authority, &place.path), mode);
                    }
                }
                Err(known) => self.add_folder(&known, mode, target, canonical),
            },
            Selector::Tag(template) => match values.tag(template) {
                Some(tag) => self.add(Matcher::Tag(tag.into()), mode),
                None => self.add(Matcher::All, mode),
            },
            Selector::Route(route) => self.add(Matcher::Route(route.clone()), mode),
            Selector::All => self.add(Matcher::All, mode),
        }
    }

    /// A path in all its readings: see [`resolve_dots`].
    fn add_path(&mut self, place: &Place, mode: Mode) {
        let written = Matcher::path(&place.authority, &place.path);
        let resolved = resolve_dots(&place.path).map(|path| Matcher::path(&place.authority, &path));
        if let Some(resolved) = resolved.filter(|resolved| resolved.hash() != written.hash()) {
            self.add(resolved, mode);
        }
        self.add(written, mode);
    }

    /// The folder of a URL that is known up to a missing value; everything when not even its host is.
    fn add_folder(&mut self, known: &str, mode: Mode, target: &Place, canonical: impl Fn(&str) -> String) {
        let folder = known.rfind('/').map(|end| &known[..=end]);
        let place = folder.and_then(|folder| url::reference(folder, target, canonical).ok());
        self.add(place.map_or(Matcher::All, |place| Matcher::prefix(&place.authority, &place.path)), mode);
    }

    /// Adds what the list does not say already; what dies need not turn stale.
    fn add(&mut self, matcher: Matcher, mode: Mode) {
        let said = self
            .list
            .iter()
            .any(|known| known.matcher == matcher && (known.mode == mode || known.mode == Mode::Hard));
        if !said {
            self.list.push(Invalidation { matcher, mode });
        }
    }
}

#[cfg(test)]
mod tests;
