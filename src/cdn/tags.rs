//! Tags as CDNs take them: on replies, and in purges.
//!
//! A tag that a CDN takes as it is stands for itself; any other becomes a word made of its hash. Words of the same form stand
//! for what the API of a CDN has no name for, such as a route: replies bear them beside their tags, and a purge names them as
//! it names tags. What a reply has no room for is replaced by [`OVERFLOW`], which every purge by tag names too. So a bound
//! makes a purge reach too much, never too little.

use super::{Limits, Separator, TagHeader};
use crate::invalidation::{Bearings, Kind, MAX_NAMED_TAGS, Matcher, MatcherHash, tag_name};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use std::collections::HashSet;

/// Stands on replies for all that they have no room for. No purge by tag is whole without it.
pub const OVERFLOW: &str = "larder-overflow";

/// Two CDNs read their tags from one field and divide it differently; no value is right for both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two CDNs read tags from `{0}`, one divided by spaces, the other by commas")]
pub struct SeparatorClash(pub HeaderName);

/// [`OVERFLOW`], as a purge by tag names it beside the word of its matcher.
pub fn overflow_word() -> Box<str> {
    OVERFLOW.into()
}

/// The word by which a purge by tag reaches what `matcher` reaches. `None`: the API says it by itself, or replies tell
/// this CDN no tags.
pub fn words_of_matcher(matcher: &Matcher, limits: &Limits) -> Option<Box<str>> {
    let header = limits.header.as_ref()?;
    match matcher {
        Matcher::Tag(tag) => Some(spelled(tag, header).into()),
        _ => goes_by_word(matcher.kind(), limits).then(|| word(matcher.hash(), header).into()),
    }
}

/// Whether replies bear a word for each matcher of this kind that reaches them, since the API cannot be told such a matcher
/// exactly.
fn goes_by_word(kind: Kind, limits: &Limits) -> bool {
    match kind {
        // A purge of one URL leaves its other queries in place.
        Kind::Path => limits.url.is_none() || !limits.queries,
        Kind::Prefix => limits.prefix.is_none(),
        Kind::All => !limits.all,
        Kind::Tag | Kind::Route => true,
    }
}

/// A tag as the CDN takes it.
fn spelled<'a>(tag: &'a str, header: &TagHeader) -> Cow<'a, str> {
    let name = tag_name(tag);
    if takes(header, &name) { name } else { word(Matcher::Tag(tag.into()).hash(), header) }
}

/// The word of a matcher: 23 bytes of lower-case letters, digits and hyphens, which every CDN takes. With a bound below
/// that, all words are one.
fn word(hash: MatcherHash, header: &TagHeader) -> Cow<'static, str> {
    let word = format!("larder-{:016x}", hash.as_u64());
    if takes(header, &word) { Cow::Owned(word) } else { Cow::Borrowed(OVERFLOW) }
}

/// Whether the CDN takes `tag` for one tag, to the letter. A space is never part of one: some CDNs strip it, some divide there.
fn takes(header: &TagHeader, tag: &str) -> bool {
    let allowed = |c: char| {
        c.is_ascii_graphic()
            && !(c == ',' && header.separator == Separator::Comma)
            && !header.alphabet.without.contains(c)
    };
    (1..=header.longest).contains(&tag.len()) && tag.chars().all(allowed)
}

/// The fields by which replies tell the CDNs in front what purges reach them.
///
/// CDNs that read one field share it: it bears the words of each, within the narrowest of their bounds. Where a word of one
/// breaks a rule of another, [`OVERFLOW`] takes its place.
#[derive(Clone, Debug, Default)]
pub struct TagFields {
    fields: Vec<Field>,
    /// Their names, in the same order.
    names: Vec<HeaderName>,
    /// Stands for the rest.
    readers: u8,
}

/// One field and who reads it.
#[derive(Clone, Debug)]
struct Field {
    name: HeaderName,
    separator: Separator,
    readers: Vec<Reader>,
}

/// What a CDN wants of its field.
#[derive(Clone, Debug)]
struct Reader {
    header: TagHeader,
    /// The kinds of matchers that replies bear words for, beside their tags.
    kinds: Vec<Kind>,
}

impl TagFields {
    /// The fields for CDNs with these limits. Those that take no tags have none.
    pub fn new<'a>(cdns: impl IntoIterator<Item = &'a Limits>) -> Result<Self, SeparatorClash> {
        let mut fields: Vec<Field> = Vec::new();
        for limits in cdns {
            let Some(header) = limits.header.clone() else { continue };
            let TagHeader { name, separator, .. } = header.clone();
            let kinds =
                Kind::EACH.into_iter().filter(|kind| *kind != Kind::Tag && goes_by_word(*kind, limits));
            let reader = Reader { header, kinds: kinds.collect() };
            match fields.iter_mut().find(|field| field.name == name) {
                Some(field) if field.separator != separator => return Err(SeparatorClash(name)),
                Some(field) => field.readers.push(reader),
                None => fields.push(Field { name, separator, readers: vec![reader] }),
            }
        }
        let names = fields.iter().map(|field| field.name.clone()).collect();
        let readers = fingerprint(&fields);
        Ok(Self { fields, names, readers })
    }

    /// Writes the fields into the head of a reply, in place of what stands there. `bearings` need not hold the tags, which
    /// may be repeated; a list of more than [`MAX_NAMED_TAGS`] is taken for the beginning of a longer one.
    ///
    /// `before`: the head as it was stored, if this reply confirms a stored one. What its fields say is still true; if one
    /// is missing, because other CDNs stood in front when it was stored, nobody knows what it would say.
    pub fn write(
        &self,
        headers: &mut HeaderMap,
        tags: &[impl AsRef<str>],
        bearings: &Bearings,
        before: Option<&HeaderMap>,
    ) {
        for field in &self.fields {
            let mut line = Line::new(field);
            if tags.len() > MAX_NAMED_TAGS {
                line.push(OVERFLOW);
            }
            tags.iter().all(|tag| line.add(|header| spelled(tag.as_ref(), header)));
            field.readers.iter().for_each(|reader| line.add_kinds(reader, bearings));
            if let Some(before) = before {
                line.add_again(before);
            }
            headers.insert(field.name.clone(), line.into_value());
        }
    }

    /// The names of the fields.
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// Stands for the readers of the fields and what each takes; never 0. Two nodes with one number write the same words.
    /// What comes of a collision is a purge that misses, but who would look for one configures the CDNs himself.
    pub fn readers(&self) -> u8 {
        self.readers
    }
}

/// The order in which CDNs are written changes nothing that has to be known of their fields.
fn fingerprint(fields: &[Field]) -> u8 {
    let mut lines: Vec<String> = Vec::new();
    for Field { name, separator, readers } in fields {
        for Reader { header, kinds } in readers {
            let TagHeader { name: _, separator: _, tags, bytes, longest, alphabet } = header;
            lines.push(format!("{name} {separator:?} {tags} {bytes} {longest} {alphabet:?} {kinds:?}"));
        }
    }
    lines.sort_unstable();
    let [.., last] = crc32fast::hash(lines.join("\n").as_bytes()).to_be_bytes();
    last.max(1)
}

/// The value of a field as it grows.
struct Line<'a> {
    field: &'a Field,
    seen: HashSet<Box<str>>,
    text: String,
    /// The length up to which [`OVERFLOW`] fits behind.
    safe: usize,
    /// Something was left out.
    full: bool,
}

impl<'a> Line<'a> {
    fn new(field: &'a Field) -> Self {
        Self { field, seen: HashSet::new(), text: String::new(), safe: 0, full: false }
    }

    /// Adds a word as each reader spells it; `false` when nothing more fits.
    fn add<'w>(&mut self, spell: impl Fn(&TagHeader) -> Cow<'w, str>) -> bool {
        let field = self.field;
        field.readers.iter().all(|reader| self.push(&spell(&reader.header)))
    }

    fn add_kinds(&mut self, reader: &Reader, bearings: &Bearings) {
        for kind in &reader.kinds {
            let hashes = match kind {
                Kind::All => &[Matcher::All.hash().as_u64()],
                Kind::Prefix if bearings.layout().any_prefix => {
                    self.push(OVERFLOW);
                    continue;
                }
                kind => bearings.of_kind(*kind),
            };
            hashes.iter().all(|hash| self.push(&word(MatcherHash::from_u64(*hash), &reader.header)));
        }
    }

    fn add_again(&mut self, before: &HeaderMap) {
        let mut lines = before.get_all(&self.field.name).iter().peekable();
        if lines.peek().is_none() {
            self.push(OVERFLOW);
        }
        let separator = match self.field.separator {
            Separator::Space => ' ',
            Separator::Comma => ',',
        };
        for line in lines {
            match line.to_str() {
                Ok(text) => {
                    text.split(separator).map(str::trim).all(|word| word.is_empty() || self.push(word))
                }
                Err(_) => self.push(OVERFLOW),
            };
        }
    }

    /// Adds a word, or [`OVERFLOW`] for one that breaks a rule; `false` when nothing more fits.
    fn push(&mut self, word: &str) -> bool {
        let taken = self.field.readers.iter().all(|reader| takes(&reader.header, word));
        let word = if taken { word } else { OVERFLOW };
        if self.full || self.seen.contains(word) {
            return !self.full;
        }
        if !self.has_room(self.text.len(), self.seen.len(), word) {
            self.full = true;
            return false;
        }
        self.append(word);
        self.seen.insert(word.into());
        if self.has_room(self.text.len(), self.seen.len(), OVERFLOW) || self.seen.contains(OVERFLOW) {
            self.safe = self.text.len();
        }
        true
    }

    /// Whether `word` fits behind `bytes` of `words`.
    fn has_room(&self, bytes: usize, words: usize, word: &str) -> bool {
        let between = usize::from(bytes > 0);
        self.field
            .readers
            .iter()
            .all(|Reader { header, .. }| words < header.tags && bytes + between + word.len() <= header.bytes)
    }

    fn append(&mut self, word: &str) {
        if !self.text.is_empty() {
            self.text.push(match self.field.separator {
                Separator::Space => ' ',
                Separator::Comma => ',',
            });
        }
        self.text.push_str(word);
    }

    fn into_value(mut self) -> HeaderValue {
        if self.full && !self.seen.contains(OVERFLOW) {
            self.text.truncate(self.safe);
            self.append(OVERFLOW);
        }
        HeaderValue::try_from(self.text).expect("words are made of visible characters")
    }
}

#[cfg(test)]
mod tests;
