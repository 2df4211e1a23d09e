//! What a write invalidates: RFC 9111, 4.4, and the rules of `on_write`.

use super::path::{normal_form, resolve_dots};
use super::url::{self, Place};
use super::{Invalidation, Json, Located, Matcher, Mode, PurgeRule, Selector, Values, Variable, WriteRule};
use http::{HeaderMap, HeaderName, StatusCode, header};

/// `Location` and `Content-Location` lines that are followed. One of each is all that makes sense; the rest is noise.
const MAX_LOCATIONS: usize = 4;

/// A write as it was seen.
#[derive(Clone, Copy)]
pub struct WriteSeen<'a> {
    /// Canonical authority of its target.
    pub authority: &'a str,
    /// Path of its target, as sent.
    pub path: &'a str,
    /// What the request tells.
    pub values: Values<'a>,
    /// The reply; `None` when the outcome is unknown (not there yet, reset, time-out, client gone).
    pub reply: Option<ReplySeen<'a>>,
}

/// What was seen of the reply to a write.
#[derive(Clone, Copy)]
pub struct ReplySeen<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: BodySeen<'a>,
}

/// What was seen of a body.
#[derive(Clone, Copy)]
pub enum BodySeen<'a> {
    /// It is on its way, and may be JSON.
    ToCome,
    /// This, where it is JSON that can be read.
    Whole(Option<&'a Json>),
}

/// What a write invalidates, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WritePlan {
    /// Without repetition, in the order of the rules.
    pub purges: Vec<Invalidation>,
    /// Something else is known when the body of the reply is whole.
    pub waits: bool,
}

impl WritePlan {
    /// Adds what the list does not say already; what dies need not turn stale.
    fn push(&mut self, matcher: Matcher, mode: Mode) {
        let said = |known: &Invalidation| {
            known.matcher == matcher && (known.mode == mode || known.mode == Mode::Hard)
        };
        if !self.purges.iter().any(said) {
            self.purges.push(Invalidation { matcher, mode });
        }
    }

    /// Adds what another reading of the same write invalidates.
    pub fn add(&mut self, other: Self) {
        other.purges.into_iter().for_each(|Invalidation { matcher, mode }| self.push(matcher, mode));
        self.waits |= other.waits;
    }
}

/// The invalidations of a write: none when the reply proves that nothing changed (4xx).
///
/// A write whose outcome is unknown, or that the origin failed (5xx), may have been done: all that can be known is
/// invalidated, and what only a reply can tell is widened as [`PurgeRule::on_unknown`] says, also where the request has a value
/// that the reply might have corrected. `canonical` turns an authority as
/// written (in `Location`, in a rule) into its canonical name. A `Location` of another authority is left alone (RFC 9111, 4.4:
/// nobody may invalidate what is another's).
pub fn plan_write(rule: &WriteRule, write: &WriteSeen<'_>, canonical: impl Fn(&str) -> String) -> WritePlan {
    let mut plan = WritePlan::default();
    if write.reply.is_some_and(|reply| reply.status.is_client_error()) {
        return plan;
    }
    let target = Place { authority: write.authority.to_owned(), path: write.path.to_owned() };
    let done = write.reply.filter(|reply| matches!(reply.status.as_u16(), 200..400));
    let body = match done.map(|reply| reply.body) {
        Some(BodySeen::Whole(body)) => body,
        Some(BodySeen::ToCome) | None => None,
    };
    let values = Values { reply: done.map(|reply| reply.headers), reply_body: body, ..write.values };
    let to_come = matches!(done, Some(ReplySeen { body: BodySeen::ToCome, .. }));
    let mut scene = Scene {
        plan: &mut plan,
        target: &target,
        values: &values,
        in_doubt: done.is_none(),
        canonical: &canonical,
    };
    scene.add_path(&target, Mode::Hard);
    if let Some(reply) = write.reply {
        for place in located(reply.headers, &target, &canonical) {
            scene.add_path(&place, Mode::Hard);
        }
    }
    if let (None, Some(stand_in)) = (done, &rule.on_unknown) {
        scene.add(stand_in, None, rule.mode);
    }
    for PurgeRule { selector, mode, when, on_unknown } in &rule.purge {
        if done.is_some_and(|reply| !when.is_met(reply.status, reply.headers)) {
            continue;
        }
        if to_come && selector.variables().any(|variable| variable.reads_reply_body()) {
            scene.plan.waits = true;
        } else {
            scene.add(selector, on_unknown.as_ref(), *mode);
        }
    }
    plan
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

/// What selectors are made into purges with.
struct Scene<'p, 'v, C> {
    plan: &'p mut WritePlan,
    target: &'p Place,
    values: &'p Values<'v>,
    /// No reply tells what was done.
    in_doubt: bool,
    canonical: &'p C,
}

impl<C: Fn(&str) -> String> Scene<'_, '_, C> {
    /// What a selector reaches; where that is not known, what `stand_in` does, or else what is wide enough for every value.
    fn add(&mut self, selector: &Selector, stand_in: Option<&Selector>, mode: Mode) {
        let text = match selector {
            Selector::Url(template) | Selector::Prefix(template) => self.values.location(template),
            Selector::Tag(template) => known_tag(self.values.tag(template)),
            Selector::SelfUrl | Selector::Route(_) | Selector::All => Located::Whole(String::new()),
        };
        match text {
            Located::Whole(text) => {
                self.add_known(selector, text, mode);
                // What a request says that a reply could have corrected is a guess.
                if self.in_doubt && selector.variables().any(Variable::needs_reply) {
                    self.add_unknown(self.for_certain(selector), stand_in, mode);
                }
            }
            unknown => self.add_unknown(unknown, stand_in, mode),
        }
    }

    /// What is known of a selector with a value that only a reply tells for certain.
    fn for_certain(&self, selector: &Selector) -> Located {
        match selector {
            Selector::Url(template) | Selector::Prefix(template) => {
                self.values.location_for_certain(template)
            }
            _ => known_tag(None),
        }
    }

    fn add_unknown(&mut self, unknown: Located, stand_in: Option<&Selector>, mode: Mode) {
        match (unknown, stand_in) {
            (Located::Whole(_), _) => {}
            (_, Some(stand_in)) => self.add(stand_in, None, mode),
            (Located::Before(known), None) => {
                let folder = self.folder(&known);
                self.plan
                    .push(folder.map_or(Matcher::All, |at| Matcher::prefix(&at.authority, &at.path)), mode);
            }
            // Any client can write dots into a path, so they reach no more than a name in the same place could: of a host
            // the one path that they lead to, and no host is called by dots.
            (Located::Climbing(known), None) => match self.folder(&known) {
                Some(root) if normal_form(&root.path) == b"/" => self.add_path(&root, mode),
                Some(at) => self.plan.push(Matcher::prefix(&at.authority, &at.path), mode),
                None => {}
            },
        }
    }

    /// What a selector reaches whose template became `text`. A URL of another scheme names nothing that is stored here, so
    /// nothing is missed.
    fn add_known(&mut self, selector: &Selector, text: String, mode: Mode) {
        match selector {
            Selector::SelfUrl => {}
            Selector::Url(_) => {
                if let Ok(place) = self.place(&text) {
                    self.add_path(&place, mode);
                }
            }
            Selector::Prefix(_) => {
                if let Ok(place) = self.place(&text) {
                    self.plan.push(Matcher::prefix(&place.authority, &place.path), mode);
                }
            }
            Selector::Tag(_) => self.plan.push(Matcher::Tag(text.into()), mode),
            Selector::Route(route) => self.plan.push(Matcher::Route(route.clone()), mode),
            Selector::All => self.plan.push(Matcher::All, mode),
        }
    }

    fn place(&self, text: &str) -> Result<Place, url::BadUrl> {
        url::reference(text, self.target, self.canonical)
    }

    /// A path in all its readings: see [`resolve_dots`].
    fn add_path(&mut self, place: &Place, mode: Mode) {
        let written = Matcher::path(&place.authority, &place.path);
        let resolved = resolve_dots(&place.path).map(|path| Matcher::path(&place.authority, &path));
        if let Some(resolved) = resolved.filter(|resolved| resolved.hash() != written.hash()) {
            self.plan.push(resolved, mode);
        }
        self.plan.push(written, mode);
    }

    /// The folder of a URL that is known up to a value that is not; `None` when not even its host is.
    fn folder(&self, known: &str) -> Option<Place> {
        self.place(&known[..=known.rfind('/')?]).ok()
    }
}

/// Replies of any path may bear a tag, so nothing of it is known before all is.
fn known_tag(tag: Option<String>) -> Located {
    tag.map_or(Located::Before(String::new()), Located::Whole)
}

#[cfg(test)]
mod tests;
