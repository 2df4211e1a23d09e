//! `cdn`.

use super::Scope;
use crate::cdn::providers::akamai::{AkamaiNetwork, AkamaiSettings};
use crate::cdn::providers::azure::{AzureCredentials, AzureSettings};
use crate::cdn::providers::bunny::BunnySettings;
use crate::cdn::providers::cloudflare::CloudflareSettings;
use crate::cdn::providers::fastly::FastlySettings;
use crate::cdn::providers::google::GoogleSettings;
use crate::cdn::{CdnSettings, ProviderSettings};
use crate::config::Secret;
use crate::config::raw::{Akamai, Azure, Bunny, Cdn, Cloudflare, Cloudfront, Fastly, Google};
use crate::config::read::{At, Field, List, Map};
use crate::config::values::{BaseUrl, Ident, Key};
use http::HeaderName;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

mod http_api;

/// The default of `cdn[].gather`: long enough for the writes of a bulk update to meet, and nothing beside what a CDN takes.
const GATHER: Duration = Duration::from_millis(200);

/// The longest `cdn[].gather`, and the longest `cdn[].timeout`: beyond it something else was meant.
const LONGEST: Duration = Duration::from_secs(120);

/// The default of `cdn[].give_up_after`: an outage over a night, or a token that nobody renews before the morning.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The default of `cdn[].timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The CDNs in front.
pub(super) fn cdns(scope: &Scope<'_>, written: &Field<List<Cdn>>) -> Vec<CdnSettings> {
    let mut lines = HashMap::new();
    let items = written.value().into_iter().flat_map(|list| &list.items);
    let cdns = items.filter_map(|at| {
        if let Some(name) = at.value.name.set() {
            if let Some(line) = lines.get(&name.value.0) {
                let problem = format!("{} is the name of another CDN, in line {line}", name.shown);
                name.fault(scope.report, problem, "give each its own");
            }
            lines.entry(name.value.0.clone()).or_insert(name.place.line);
        }
        cdn(scope, at)
    });
    cdns.collect()
}

fn cdn(scope: &Scope<'_>, at: &At<Cdn>) -> Option<CdnSettings> {
    let Cdn { name, hosts, public_url, gather, second_purge, give_up_after, timeout, rate, .. } = &at.value;
    let name = scope.required(name, at, "name", "write a name for metrics and logs, such as `name: edge`");
    let provider = provider(scope, at);
    let gather = gather.set().map(|at| at.with(at.value.into()));
    for at in [&gather, &timeout.set().cloned()].into_iter().flatten().filter(|at| at.value > LONGEST) {
        at.fault(scope.report, format!("{} is longer than 2m", at.shown), "write a shorter time");
    }
    Some(CdnSettings {
        name: Arc::from(name?.value.0.as_str()),
        provider: provider?,
        hosts: hosts
            .value()
            .map_or_else(Vec::new, |list| list.values().map(|host| host.0.as_str().into()).collect()),
        public_url: public_url.value().map(|url| Arc::from(url.0.as_str())),
        gather: gather.map_or(GATHER, |at| at.value),
        second_purge: second_purge.value().copied().filter(|delay| !delay.is_zero()),
        give_up_after: scope.positive(give_up_after, GIVE_UP_AFTER),
        timeout: scope.positive(timeout, TIMEOUT),
        rate: rate.value().copied(),
    })
}

/// The one provider that is named.
fn provider(scope: &Scope<'_>, at: &At<Cdn>) -> Option<ProviderSettings> {
    let Cdn { cloudfront, fastly, cloudflare, akamai, google, azure, bunny, http, .. } = &at.value;
    let named = [
        ("cloudfront", !cloudfront.is_absent()),
        ("fastly", !fastly.is_absent()),
        ("cloudflare", !cloudflare.is_absent()),
        ("akamai", !akamai.is_absent()),
        ("google", !google.is_absent()),
        ("azure", !azure.is_absent()),
        ("bunny", !bunny.is_absent()),
        ("http", !http.is_absent()),
    ];
    let names: Vec<_> = named.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    match names.as_slice() {
        [_] => {}
        [] => {
            let all: Vec<_> = named.iter().map(|(name, _)| format!("`{name}`")).collect();
            at.fault(scope.report, "does not say whose CDN it is", format!("add one of {}", all.join(", ")));
            return None;
        }
        several => {
            let problem = format!("is several CDNs at once: {}", several.join(", "));
            at.fault(scope.report, problem, "write an item of the list for each");
            return None;
        }
    }
    let made = [
        cloudfront.set().and_then(|at| make_cloudfront(scope, at)),
        fastly.set().and_then(|at| make_fastly(scope, at)).map(ProviderSettings::Fastly),
        cloudflare.set().and_then(|at| make_cloudflare(scope, at)).map(ProviderSettings::Cloudflare),
        akamai.set().and_then(|at| make_akamai(scope, at)).map(ProviderSettings::Akamai),
        google.set().and_then(|at| make_google(scope, at)).map(ProviderSettings::Google),
        azure.set().and_then(|at| make_azure(scope, at)).map(ProviderSettings::Azure),
        bunny.set().and_then(|at| make_bunny(scope, at)).map(ProviderSettings::Bunny),
        http.set().and_then(|at| http_api::make(scope, at)).map(ProviderSettings::Http),
    ];
    made.into_iter().flatten().next()
}

#[cfg(feature = "cloudfront")]
fn make_cloudfront(scope: &Scope<'_>, at: &At<Cloudfront>) -> Option<ProviderSettings> {
    use crate::cdn::providers::cloudfront::CloudfrontSettings;
    let Cloudfront { distribution, query_strings, tags, region, endpoint } = &at.value;
    let remedy = "write the ID of the distribution, such as `distribution: E123EXAMPLE`";
    Some(ProviderSettings::Cloudfront(CloudfrontSettings {
        distribution: ident(scope, distribution, at, "distribution", remedy)?,
        query_strings: query_strings.or_default(false),
        tags: tags.value().map(|field| field.0.clone()),
        region: region.value().map_or("us-east-1", |region| &region.0).to_owned(),
        endpoint: base(endpoint),
    }))
}

#[cfg(not(feature = "cloudfront"))]
fn make_cloudfront(scope: &Scope<'_>, at: &At<Cloudfront>) -> Option<ProviderSettings> {
    let Cloudfront { distribution: _, query_strings: _, tags: _, region: _, endpoint: _ } = &at.value;
    let remedy = "build it with the feature `cloudfront`, or remove this";
    at.fault(scope.report, "this Larder was built without CloudFront", remedy);
    None
}

fn make_fastly(scope: &Scope<'_>, at: &At<Fastly>) -> Option<FastlySettings> {
    let Fastly { service, token, tags, endpoint } = &at.value;
    let service = ident(scope, service, at, "service", "write the ID of the service");
    let token = key(scope, token, at, "token", "write `token: ${FASTLY_TOKEN}`");
    Some(FastlySettings {
        service: service?,
        token: token?,
        tags: tags.or_default(true),
        endpoint: base(endpoint),
    })
}

fn make_cloudflare(scope: &Scope<'_>, at: &At<Cloudflare>) -> Option<CloudflareSettings> {
    let Cloudflare { zone, token, tags, query_strings, variants, endpoint } = &at.value;
    let zone = ident(scope, zone, at, "zone", "write the ID of the zone");
    let token = key(scope, token, at, "token", "write `token: ${CLOUDFLARE_TOKEN}`");
    if query_strings.or_default(true)
        && let Some(at) = variants.set()
    {
        let remedy = "remove it, or write `query_strings: false` if the zone's cache key has none";
        at.fault(scope.report, "URLs are not purged one by one while they may have query strings", remedy);
    }
    let variants = variants.value().into_iter().flat_map(|list| list.values());
    let variants = variants.map(|fields| variant(scope, fields)).collect();
    Some(CloudflareSettings {
        zone: zone?,
        token: token?,
        tags: tags.or_default(true),
        query_strings: query_strings.or_default(true),
        variants,
        endpoint: base(endpoint),
    })
}

/// Fields of requests with their values.
fn variant(scope: &Scope<'_>, fields: &Map<String>) -> Vec<(HeaderName, String)> {
    let field = |(name, value): &(At<String>, Field<String>)| {
        let Ok(header) = HeaderName::from_bytes(name.value.as_bytes()) else {
            name.fault(
                scope.report,
                format!("{} is not the name of a header", name.shown),
                "write a name such as `CF-IPCountry`",
            );
            return None;
        };
        value.value().map(|value| (header, value.clone()))
    };
    fields.entries.iter().filter_map(field).collect()
}

fn make_akamai(scope: &Scope<'_>, at: &At<Akamai>) -> Option<AkamaiSettings> {
    let Akamai { host, client_token, client_secret, access_token, network, delete, cp_codes, tags, endpoint } =
        &at.value;
    let host = scope.required(host, at, "host", "write the `host` of the credentials");
    let client_token = key(scope, client_token, at, "client_token", "write `${AKAMAI_CLIENT_TOKEN}`");
    let client_secret = key(scope, client_secret, at, "client_secret", "write `${AKAMAI_CLIENT_SECRET}`");
    let access_token = key(scope, access_token, at, "access_token", "write `${AKAMAI_ACCESS_TOKEN}`");
    Some(AkamaiSettings {
        host: host?.value.0.clone(),
        client_token: client_token?,
        client_secret: client_secret?,
        access_token: access_token?,
        network: network.or_default(AkamaiNetwork::Production),
        delete: delete.or_default(false),
        cp_codes: cp_codes
            .value()
            .map_or_else(Vec::new, |list| list.values().map(|code| *code as u64).collect()),
        tags: tags.or_default(true),
        endpoint: base(endpoint),
    })
}

fn make_google(scope: &Scope<'_>, at: &At<Google>) -> Option<GoogleSettings> {
    let Google { project, url_map, credentials, tags, endpoint, token_endpoint } = &at.value;
    let project = ident(scope, project, at, "project", "write the ID of the project");
    let url_map = ident(scope, url_map, at, "url_map", "write the name of the URL map");
    Some(GoogleSettings {
        project: project?,
        url_map: url_map?,
        credentials: credentials.value().map(|path| scope.folder.join(path)),
        tags: tags.or_default(false),
        endpoint: base(endpoint),
        token_endpoint: base(token_endpoint),
    })
}

fn make_azure(scope: &Scope<'_>, at: &At<Azure>) -> Option<AzureSettings> {
    let Azure {
        subscription,
        resource_group,
        profile,
        endpoint_name,
        domains,
        tenant,
        client_id,
        client_secret,
        endpoint,
        login_endpoint,
    } = &at.value;
    let subscription = ident(scope, subscription, at, "subscription", "write the ID of the subscription");
    let resource_group = ident(scope, resource_group, at, "resource_group", "write its name");
    let profile = ident(scope, profile, at, "profile", "write the name of the Front Door profile");
    let endpoint_name = ident(scope, endpoint_name, at, "endpoint_name", "write the name of its endpoint");
    let text = |field: &Field<Ident>| field.value().map(|id| id.0.clone());
    let credentials = match (text(tenant), text(client_id), client_secret.value()) {
        (Some(tenant), Some(client_id), Some(secret)) => {
            AzureCredentials::Client { tenant, client_id, client_secret: secret.0.clone() }
        }
        (None, client_id, None) => AzureCredentials::ManagedIdentity { client_id },
        _ => {
            let remedy = "write all of `tenant`, `client_id` and `client_secret`; or none of them, for the identity of the machine";
            at.fault(scope.report, "has credentials that are not whole", remedy);
            return None;
        }
    };
    Some(AzureSettings {
        subscription: subscription?,
        resource_group: resource_group?,
        profile: profile?,
        endpoint_name: endpoint_name?,
        domains: domains
            .value()
            .map_or_else(Vec::new, |list| list.values().map(|host| host.0.clone()).collect()),
        credentials,
        endpoint: base(endpoint),
        login_endpoint: base(login_endpoint),
    })
}

fn make_bunny(scope: &Scope<'_>, at: &At<Bunny>) -> Option<BunnySettings> {
    let Bunny { pull_zone, access_key, tags, endpoint } = &at.value;
    let pull_zone = scope.required(pull_zone, at, "pull_zone", "write the ID of the pull zone");
    let access_key = key(scope, access_key, at, "access_key", "write `access_key: ${BUNNY_ACCESS_KEY}`");
    Some(BunnySettings {
        pull_zone: pull_zone?.value as u64,
        access_key: access_key?,
        tags: tags.or_default(true),
        endpoint: base(endpoint),
    })
}

fn ident<P>(
    scope: &Scope<'_>,
    field: &Field<Ident>,
    parent: &At<P>,
    key: &str,
    remedy: &str,
) -> Option<String> {
    scope.required(field, parent, key, remedy).map(|at| at.value.0.clone())
}

fn key<P>(scope: &Scope<'_>, field: &Field<Key>, parent: &At<P>, key: &str, remedy: &str) -> Option<Secret> {
    scope.required(field, parent, key, remedy).map(|at| at.value.0.clone())
}

fn base(field: &Field<BaseUrl>) -> Option<String> {
    field.value().map(|url| url.0.clone())
}
