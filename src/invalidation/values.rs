//! What the variables of templates stand for in one exchange.

use super::json::Json;
use super::path::{climbs, has_dots, hex_pair};
use super::tag::tag_name;
use super::template::{MAX_TEXT, Template};
use super::variable::Variable;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::fmt::Write;

/// What a template makes of a path or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// Its text.
    Whole(String),
    /// A value is missing, or would lead out of its folder: the text before it.
    Before(String),
    /// A capture is, or has, a `.` or `..` for a segment: the text before it. Whoever sends a request can spell its path so.
    Climbing(String),
}

/// A request, and as much of its reply as is known.
///
/// The same variable has the same text wherever it stands: a tag that replies bear by `cache.tags` and one that a write purges
/// by `on_write` meet because both are made here.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// Looks up a capture of the route's path, spelled as in the path.
    pub captures: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The query, as sent.
    pub query: Option<&'a str>,
    /// The client's region, where regions are told apart.
    pub region: Option<&'a str>,
    /// Fields of the request.
    pub request: &'a HeaderMap,
    /// Fields of the reply, once there is one.
    pub reply: Option<&'a HeaderMap>,
    /// The body of the request, where it is known and JSON.
    pub request_body: Option<&'a Json>,
    /// The body of the reply, where it is known and JSON.
    pub reply_body: Option<&'a Json>,
}

impl<'a> Values<'a> {
    /// The value of a variable as the application knows it: percent-encoding in paths and queries is resolved, once. Bytes
    /// that are no UTF-8 become U+FFFD. Several lines of a field are joined by `, ` (RFC 9110, 5.2); a parameter that comes
    /// several times with different values has none, since applications differ in which they take.
    pub fn text(&self, variable: &Variable) -> Option<Cow<'a, str>> {
        let in_body = |body: Option<&'a Json>, pointer| body.and_then(|body| body.text(pointer));
        match variable {
            Variable::Capture(name) => (self.captures)(name).map(capture_text),
            Variable::Query(name) => parameter(self.query?, name),
            Variable::Region => {
                (self.captures)("region").map(capture_text).or(self.region.map(Cow::Borrowed))
            }
            Variable::Header(name) => field(self.request, name),
            Variable::Reply(name) => field(self.reply?, name),
            Variable::Body(pointer) => {
                in_body(self.reply_body, pointer).or_else(|| in_body(self.request_body, pointer))
            }
            Variable::RequestBody(pointer) => in_body(self.request_body, pointer),
            Variable::ReplyBody(pointer) => in_body(self.reply_body, pointer),
        }
    }

    /// A tag by its [name](tag_name); `None` where a value is not known.
    pub fn tag(&self, template: &Template<Variable>) -> Option<String> {
        template.fill(|variable| self.text(variable)).map(named)
    }

    /// The tags that a reply bears by `template`: one for every way to [read](Self::readings) its values, `limit` at most;
    /// none where a value is not known. That of [`Values::tag`] is always among them.
    pub fn tags(&self, template: &Template<Variable>, limit: usize) -> Vec<String> {
        let mut variables: Vec<(&Variable, Vec<Cow<'a, str>>)> = Vec::new();
        for variable in template.variables() {
            if variables.iter().all(|(known, _)| *known != variable) {
                variables.push((variable, self.readings(variable)));
            }
        }
        let ways = variables.iter().fold(1_usize, |ways, (_, readings)| ways.saturating_mul(readings.len()));
        // The number of a way has a digit for each variable: which of its readings is meant.
        let reading = |way: usize, wanted: &Variable| {
            let mut rest = way;
            variables.iter().find_map(|(variable, readings)| {
                let digit = rest % readings.len();
                rest /= readings.len();
                (*variable == wanted).then(|| &readings[digit])
            })
        };
        let tag = |way| template.fill(|variable| reading(way, variable)).map(named);
        (0..ways.min(limit)).filter_map(tag).collect()
    }

    /// All that a variable can be taken for: each value of a parameter that comes several times; a field of the reply as it
    /// is, and each member of the list that it may be. A reply is named by all of them, since whoever purges it names one.
    fn readings(&self, variable: &Variable) -> Vec<Cow<'a, str>> {
        match variable {
            Variable::Query(name) => {
                self.query.map_or_else(Vec::new, |query| parameters(query, name).collect())
            }
            Variable::Reply(_) => {
                let whole = self.text(variable);
                let list = whole.as_deref().filter(|text| text.contains(','));
                let members = list.into_iter().flat_map(|text| text.split(','));
                let members = members.map(str::trim).filter(|member| !member.is_empty());
                let members: Vec<_> = members.map(|member| Cow::Owned(member.to_owned())).collect();
                whole.into_iter().chain(members).collect()
            }
            _ => self.text(variable).into_iter().collect(),
        }
    }

    /// The text of a path or a URL; else what is known of it.
    ///
    /// Captures stand in it as they came, since they are part of a path already, and are as long as they are: the path that
    /// they come from dies, too. Of all other values everything is encoded that could end a segment; one that is longer than
    /// [`MAX_TEXT`] counts as missing. No value leads out of the folder that the template puts it into.
    pub fn location(&self, template: &Template<Variable>) -> Located {
        self.locate(template, |_| true)
    }

    /// The same, as far as no reply can tell otherwise.
    pub fn location_for_certain(&self, template: &Template<Variable>) -> Located {
        self.locate(template, |variable| !variable.needs_reply())
    }

    fn locate(&self, template: &Template<Variable>, counts: impl Fn(&Variable) -> bool) -> Located {
        let known = |variable: &Variable| {
            let has_dots = self.capture(variable).is_some_and(has_dots);
            (counts(variable) && !has_dots).then(|| self.segment(variable)).flatten()
        };
        let text = match template.fill_known(known) {
            Ok(text) => text,
            Err(before) => {
                let first = template.variables().find(|variable| known(variable).is_none());
                let is_captured = first.is_some_and(|variable| self.capture(variable).is_some());
                return if is_captured { Located::Climbing(before) } else { Located::Before(before) };
            }
        };
        let told = template.variables().find(|variable| self.capture(variable).is_none());
        // Several values may make a step up together. One that the template itself has is meant.
        let is_meant = || template.fill(|_| Some("x")).is_some_and(|text| climbs(&text));
        if !climbs(&text) || (told.is_none() && is_meant()) {
            return Located::Whole(on_target(text, template));
        }
        match told {
            Some(_) => {
                let before = template.fill_known(|variable| self.capture(variable));
                Located::Before(before.unwrap_or_else(|before| before))
            }
            None => Located::Climbing(template.fill_known(|_| None::<&str>).unwrap_or_else(|before| before)),
        }
    }

    fn segment(&self, variable: &Variable) -> Option<Cow<'a, str>> {
        match self.capture(variable) {
            Some(capture) => Some(Cow::Borrowed(capture)),
            None => self.text(variable).and_then(segment_text).filter(|text| text.len() <= MAX_TEXT),
        }
    }

    /// What the path captures for a variable, as it stands there.
    fn capture(&self, variable: &Variable) -> Option<&'a str> {
        match variable {
            Variable::Capture(name) => (self.captures)(name),
            Variable::Region => (self.captures)("region"),
            _ => None,
        }
    }
}

/// A path whose first value begins with slashes is still a path: `//name/…` would be a host's.
fn on_target(text: String, template: &Template<Variable>) -> String {
    let names_host = template.fill(|_| Some("x")).is_some_and(|text| text.starts_with("//"));
    if text.starts_with("//") && !names_host {
        return format!("/{}", text.trim_start_matches('/'));
    }
    text
}

/// A tag as it is kept.
fn named(tag: String) -> String {
    match tag_name(&tag) {
        Cow::Borrowed(_) => tag,
        Cow::Owned(name) => name,
    }
}

/// All lines of a field.
fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut lines =
        headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes().trim_ascii()));
    let first = lines.next()?;
    Some(lines.fold(first, |joined, line| Cow::Owned(format!("{joined}, {line}"))))
}

/// The value of a parameter, when all of that name have the same.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut values = parameters(query, name);
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// The values of a parameter, as HTML forms write it (`+` is a space).
fn parameters<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    let read = |text: &'a str| match text.contains('+') {
        true => Cow::Owned(capture_text(&text.replace('+', " ")).into_owned()),
        false => capture_text(text),
    };
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(move |(key, _)| read(key) == name).map(move |(_, value)| read(value))
}

/// A value as one segment of a path: percent-encoded but for what is itself everywhere (RFC 3986, 2.3). `None` for an empty one,
/// which would name the folder.
///
/// Several of them can still make a `..` together, and paths are compared after they were decoded: what is made of values that
/// somebody else chose must not [climb](climbs).
pub fn segment_text(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if text.is_empty() {
        return None;
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(is_plain) {
        return Some(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes what is written to it");
        }
    }
    Some(Cow::Owned(out))
}

/// A capture of a path as tags spell it: percent-decoded once, so that `/products/%37` and `/products/7` bear and
/// purge the same tag, and that tag is spelled as the application knows the value. Bytes that are no UTF-8 become
/// U+FFFD, which at most makes two tags one.
pub fn capture_text(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, behind @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, behind @ ..] => hex_pair(*high, *low).map(|byte| (byte, behind)),
            _ => None,
        };
        let (byte, behind) = escape.unwrap_or((*first, behind));
        decoded.push(byte);
        rest = behind;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// What `name` stands for, as text and within a URL.
    #[track_caller]
    fn check(name: &str, text: Option<&str>, segment: Option<&str>) {
        let headers = |lines: &[(&'static str, &[u8])]| -> HeaderMap {
            let line = |(name, value): &(&'static str, &[u8])| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
            };
            lines.iter().map(line).collect()
        };
        let request = headers(&[("x-one", b" 1 "), ("x-two", b"a"), ("x-two", b"b"), ("x-bad", b"\xff")]);
        let reply = headers(&[("x-one", b"2"), ("x-path", b"/a/../b?c#d")]);
        let json = |text: &str| Json::parse(text.as_bytes()).unwrap();
        let values = Values {
            captures: &|name| match name {
                "id" => Some("%37"),
                "rest" => Some("a/../b"),
                _ => None,
            },
            query: Some("page=2&q=a+b%2B&same=1&same=1&other=1&other=2&flag&%66=g&empty="),
            region: Some("eu"),
            request: &request,
            reply: Some(&reply),
            request_body: Some(&json(r#"{"a": "request", "r": "only", "dots": "..", "e": ""}"#)),
            reply_body: Some(&json(r#"{"a": "reply", "n": 7, "sub": "ü/x"}"#)),
        };
        let variable = Variable::parse(name).unwrap();
        assert_eq!(values.text(&variable).as_deref(), text, "{name}");
        assert_eq!(values.segment(&variable).as_deref(), segment, "{name}");
    }

    #[test]
    fn captures_stand_in_urls_as_they_came() {
        check("id", Some("7"), Some("%37"));
        check("rest", Some("a/../b"), Some("a/../b"));
        check("missing", None, None);
    }

    #[test]
    fn parameters_are_decoded() {
        check("query.page", Some("2"), Some("2"));
        check("query.q", Some("a b+"), Some("a%20b%2B"));
        check("query.same", Some("1"), Some("1"));
        check("query.other", None, None);
        check("query.flag", Some(""), None);
        check("query.f", Some("g"), Some("g"));
        check("query.empty", Some(""), None);
        check("query.missing", None, None);
    }

    #[test]
    fn fields_of_both_messages() {
        check("region", Some("eu"), Some("eu"));
        check("header.x-one", Some("1"), Some("1"));
        check("header.x-two", Some("a, b"), Some("a%2C%20b"));
        check("header.x-bad", Some("\u{fffd}"), Some("%EF%BF%BD"));
        check("header.missing", None, None);
        check("reply.x-one", Some("2"), Some("2"));
        check("reply.x-path", Some("/a/../b?c#d"), Some("%2Fa%2F..%2Fb%3Fc%23d"));
        check("reply.missing", None, None);
    }

    #[test]
    fn bodies_of_both_messages() {
        check("body./a", Some("reply"), Some("reply"));
        check("body./r", Some("only"), Some("only"));
        check("body./missing", None, None);
        check("request.body./a", Some("request"), Some("request"));
        check("request.body./n", None, None);
        check("reply.body./n", Some("7"), Some("7"));
        check("reply.body./r", None, None);
        check("reply.body./sub", Some("ü/x"), Some("%C3%BC%2Fx"));
        check("request.body./dots", Some(".."), Some(".."));
        check("request.body./e", Some(""), None);
    }

    #[test]
    fn values_do_not_climb() {
        #[track_caller]
        fn check(template: &str, body: &str, expected: Result<&str, &str>) {
            let expected = match expected {
                Ok(whole) => Located::Whole(whole.to_owned()),
                Err(before) => Located::Before(before.to_owned()),
            };
            let template = Template::parse(template).unwrap().resolve().unwrap();
            let body = Json::parse(body.as_bytes()).unwrap();
            let values = Values {
                captures: &|name| (name == "rest").then_some("x/y"),
                query: None,
                region: None,
                request: &HeaderMap::new(),
                reply: None,
                request_body: Some(&body),
                reply_body: None,
            };
            assert_eq!(values.location(&template), expected, "{template} {body:?}");
        }
        check("/a/{body./v}/b", r#"{"v": "x"}"#, Ok("/a/x/b"));
        check("/a/{body./v}", r#"{"v": "x/y?z"}"#, Ok("/a/x%2Fy%3Fz"));
        check("/a/{body./v}", r#"{"v": "..."}"#, Ok("/a/..."));
        check("/a/{body./v}", r#"{"v": ".."}"#, Err("/a/"));
        check("/a/{body./v}", r#"{"v": "x/../../y"}"#, Err("/a/"));
        check("/a/{body./v}", r#"{"v": "x\\..\\y"}"#, Err("/a/"));
        check("/a/{body./v}", r#"{"v": "%2e%2E"}"#, Err("/a/"));
        check("/a/{body./v}", r#"{"v": "..;x"}"#, Err("/a/"));
        check("/a/{body./v}{body./v}", r#"{"v": "."}"#, Err("/a/"));
        check("/a/.{body./v}", r#"{"v": "."}"#, Err("/a/."));
        check("/a/{body./v}{body./w}", r#"{"v": "%2", "w": "E."}"#, Err("/a/"));
        check("/{rest}/{body./v}", r#"{"v": ".."}"#, Err("/x/y/"));
        check("/{rest}/b", "{}", Ok("/x/y/b"));
    }

    #[test]
    fn captures_do_not_climb() {
        #[track_caller]
        fn check(template: &str, capture: &str, expected: &Located) {
            let template = Template::parse(template).unwrap().resolve().unwrap();
            let values = Values {
                captures: &|name| matches!(name, "id" | "again").then_some(capture),
                query: None,
                region: None,
                request: &HeaderMap::new(),
                reply: None,
                request_body: None,
                reply_body: None,
            };
            assert_eq!(values.location(&template), *expected, "{template} {capture}");
        }
        let whole = |text: &str| Located::Whole(text.to_owned());
        let climbing = |text: &str| Located::Climbing(text.to_owned());
        for dots in [
            "..", ".", "%2e%2e", "%252E.", "../..", "x/..", "x/../y", "./x", "..;v=1", "x%2f..", "..\\x",
            "x%5C..",
        ] {
            check("/a/{id}", dots, &climbing("/a/"));
            check("/a/{id}/items", dots, &climbing("/a/"));
            check("http://{id}/a", dots, &climbing("http://"));
            check("/a/{id}/{body./x}", dots, &climbing("/a/"));
            check("/a/{body./x}/{id}", dots, &Located::Before("/a/".to_owned()));
        }
        for name in ["...", "..x", "x..", "%2e%2ex", "x", ""] {
            check("/a/{id}/items", name, &whole(&format!("/a/{name}/items")));
        }
        check("/a/{id}{again}", "%2", &whole("/a/%2%2"));
        check("/a/.{id}", "%2", &whole("/a/.%2"));
        check("/a/{id}e{again}e", "%2", &climbing("/a/"));
        // Dots of the operator's own are meant.
        check("/a/../{id}", "7", &whole("/a/../7"));
        check("/a/../{id}", "..", &climbing("/a/../"));
        // Slashes in front make no host of what follows.
        check("/{id}", "//other/x", &whole("/other/x"));
        check("//{id}/x", "other", &whole("//other/x"));
    }

    #[test]
    fn replies_bear_a_tag_for_every_reading() {
        #[track_caller]
        fn check(template: &str, expected: &[&str]) {
            let template = Template::parse(template).unwrap().resolve().unwrap();
            let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let request = HeaderMap::from_iter([("x-list", "a, b")].map(field));
            let reply = [("x-one", "1"), ("x-list", "a,, b"), ("x-list", "c d"), ("x-comma", ",")];
            let reply = HeaderMap::from_iter(reply.map(field));
            let values = Values {
                captures: &|name| (name == "id").then_some("%37"),
                query: Some("page=1&page=2&page=1&q=x"),
                region: Some("eu"),
                request: &request,
                reply: Some(&reply),
                request_body: None,
                reply_body: None,
            };
            let tags = values.tags(&template, 9);
            assert_eq!(tags, expected);
            assert!(values.tag(&template).is_none_or(|tag| tags.contains(&tag)));
        }
        check("catalog", &["catalog"]);
        check("{id}:{region}:{query.q}:{reply.x-one}", &["7:eu:x:1"]);
        check("p:{query.page}", &["p:1", "p:2", "p:1"]);
        check("c:{reply.x-list}", &["c:a,, b, c d", "c:a", "c:b", "c:c d"]);
        check("{query.page}{reply.x-one}{query.page}", &["111", "212", "111"]);
        check("{query.page}-{query.page}/{reply.x-comma}", &["1-1/,", "2-2/,", "1-1/,"]);
        check("{header.x-list}", &["a, b"]);
        check("{id}{missing}{query.page}", &[]);
        let twelve = ["1a,, b, c d", "2a,, b, c d", "1a,, b, c d", "1a", "2a", "1a", "1b", "2b", "1b"];
        check("{query.page}{reply.x-list}", &twelve);
    }

    #[test]
    fn a_capture_named_region_is_a_capture() {
        let values = Values {
            captures: &|name| (name == "region").then_some("a%20b"),
            query: None,
            region: Some("eu"),
            request: &HeaderMap::new(),
            reply: None,
            request_body: None,
            reply_body: None,
        };
        assert_eq!(values.text(&Variable::Region).as_deref(), Some("a b"));
        assert_eq!(values.segment(&Variable::Region).as_deref(), Some("a%20b"));
    }

    #[test]
    fn captures_are_decoded_once() {
        #[track_caller]
        fn check(raw: &str, expected: &str) {
            assert_eq!(capture_text(raw), expected);
        }
        check("7", "7");
        check("%37", "7");
        check("%2537", "%37");
        check("50%", "50%");
        check("%zz%4", "%zz%4");
        check("a%2Fb", "a/b");
        check("%C3%BC", "ü");
        check("%ff", "\u{fffd}");
    }
}
