//! What becomes of replies: the freshness rules, applied to examples.

use super::page::{Page, human};
use super::request::Request;
use crate::key::KeyRule;
use crate::semantics::{
    Credentials, Departure, Exchange, Freshness, FreshnessRule, LifetimeSource, NotStorable, assess,
    cdn_lifetime,
};
use crate::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What origins commonly say, told by the name of a field and its value.
const REPLIES: [(StatusCode, &[(HeaderName, &str)]); 8] = [
    (StatusCode::OK, &[]),
    (StatusCode::OK, &[(header::CACHE_CONTROL, "max-age=60")]),
    (StatusCode::OK, &[(header::CACHE_CONTROL, "public, max-age=60")]),
    (StatusCode::OK, &[(header::CACHE_CONTROL, "no-cache"), (header::ETAG, "\"v1\"")]),
    (StatusCode::OK, &[(header::CACHE_CONTROL, "private")]),
    (StatusCode::OK, &[(header::CACHE_CONTROL, "no-store")]),
    (StatusCode::OK, &[(header::SET_COOKIE, "id=1")]),
    (StatusCode::NOT_FOUND, &[]),
];

/// Writes what the request brings along, and what becomes of each example.
pub(super) fn write(page: &mut Page, rule: &FreshnessRule, key: &KeyRule, request: &Request) {
    let credentials = credentials(key, request);
    if credentials.authorization {
        page.line("credentials", "Authorization: shared only if the origin says so (RFC 9111, 3.5)");
    }
    if credentials.cookies {
        page.line("credentials", "cookies that are no part of the key: shared only if the origin gives the lifetime, or by `cookies: ignore`");
    }
    let statuses = rule.statuses.keys().filter_map(|status| StatusCode::from_u16(*status).ok());
    let of_rule = statuses.filter(|status| *status != StatusCode::NOT_FOUND).map(|status| (status, &[][..]));
    let examples: Vec<_> = REPLIES
        .into_iter()
        .chain(of_rule)
        .map(|(status, fields)| example(rule, credentials, status, fields))
        .collect();
    let width = examples.iter().map(|(reply, _)| reply.len()).max().unwrap_or_default();
    for (reply, verdict) in examples {
        page.line("lifetime", &format!("{reply:width$}  {verdict}"));
    }
}

fn credentials(key: &KeyRule, request: &Request) -> Credentials {
    let headers = &request.headers;
    Credentials {
        authorization: headers.contains_key(header::AUTHORIZATION),
        cookies: headers.contains_key(header::COOKIE) && !key.keys_all_cookies(headers),
    }
}

fn example(
    rule: &FreshnessRule,
    credentials: Credentials,
    status: StatusCode,
    fields: &[(HeaderName, &str)],
) -> (String, String) {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    let said: Vec<_> = fields.iter().map(|(name, value)| told(name, value)).collect();
    let with = if said.is_empty() { String::new() } else { format!(" with {}", said.join(" and ")) };
    let reply = format!("{}{with}", status.as_u16());
    // Any moment will do: nothing in the examples is a date.
    let now = Timestamp::from_secs(1_000_000_000);
    let exchange = Exchange { credentials, status, headers: &headers, requested_at: now, received_at: now };
    let assessed = assess(rule, &exchange);
    let at_cdns =
        assessed.as_ref().ok().and_then(|freshness| cdn_lifetime(rule, status, &headers, freshness));
    let mut verdict = verdict(assessed);
    if let Some(time) = at_cdns {
        verdict.push_str(&format!("; CDNs may keep it for {} (`cdn_ttl`)", human(time)));
    }
    (reply, verdict)
}

/// A directive says what it is; of other fields the name is enough.
fn told<'a>(name: &'a HeaderName, value: &'a str) -> &'a str {
    match *name {
        header::CACHE_CONTROL => value,
        header::SET_COOKIE => "Set-Cookie",
        header::ETAG => "ETag",
        _ => name.as_str(),
    }
}

fn verdict(assessed: Result<Freshness, NotStorable>) -> String {
    let freshness = match assessed {
        Ok(freshness) => freshness,
        Err(reason) => return format!("not stored: {}", reason.as_str()),
    };
    let source = match freshness.source {
        LifetimeSource::Origin => "by the origin",
        LifetimeSource::Rule => "by the rule",
        LifetimeSource::Heuristic => "by a guess (RFC 9111, 4.2.2)",
    };
    let mut text = if freshness.no_cache {
        "stored, revalidated before every use".to_owned()
    } else {
        format!("stored for {} {source}", human(freshness.lifetime))
    };
    if !freshness.stale_while_revalidate.is_zero() {
        text.push_str(&format!(", then {} while it is revalidated", human(freshness.stale_while_revalidate)));
    }
    if !freshness.stale_if_error.is_zero() {
        text.push_str(&format!(", {} if the origin fails", human(freshness.stale_if_error)));
    }
    match freshness.departure {
        Some(Departure::Override) => text.push_str("; not what the origin said (`override`)"),
        Some(Departure::SetCookieStripped) => text.push_str(", without its Set-Cookie"),
        Some(Departure::SetCookieStored) => text.push_str(", its Set-Cookie for everybody"),
        Some(Departure::Sliding) | None => {}
    }
    text
}
