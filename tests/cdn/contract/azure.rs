//! <https://learn.microsoft.com/rest/api/frontdoorservice/azurefrontdoorstandardpremium/afd-endpoints/purge-content>

use super::{
    Api, Fault, Making, SECRET, Subject, body, form, full, hard, list, parts, prefix, provider, refusal, url,
};
use crate::support::{Reply, Seen};
use larder::cdn::providers::azure::{AzureCredentials, AzureSettings};
use larder::cdn::{ProviderSettings, Target, TargetKind};
use larder::secret::Secret;

pub(super) const SUBJECT: Subject = Subject { name: "azure", contract, done, settings, purged: &["path /a"] };

const TOKEN: &str = "eyJ0-token-of-azure";

fn azure(endpoint: &str, credentials: AzureCredentials) -> AzureSettings {
    AzureSettings {
        subscription: "subid".to_owned(),
        resource_group: "my group".to_owned(),
        profile: "profile1".to_owned(),
        endpoint_name: "endpoint1".to_owned(),
        domains: vec![],
        credentials,
        endpoint: Some(endpoint.to_owned()),
        login_endpoint: Some(endpoint.to_owned()),
    }
}

fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    let credentials = AzureCredentials::Client {
        tenant: "tenant".to_owned(),
        client_id: "id of it".to_owned(),
        client_secret: Secret::new(secret),
    };
    ProviderSettings::Azure(azure(endpoint, credentials))
}

fn machine(endpoint: &str, id: Option<&str>) -> ProviderSettings {
    let credentials = AzureCredentials::ManagedIdentity { client_id: id.map(str::to_owned) };
    ProviderSettings::Azure(azure(endpoint, credentials))
}

fn done() -> Reply {
    let operation =
        "https://management.azure.com/subscriptions/subid/providers/Microsoft.Cdn/operationresults/1";
    Reply::status(202).header("Location", operation).header("Azure-AsyncOperation", operation)
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    let (path, query) = parts(seen);
    match path {
        "/tenant/oauth2/v2.0/token" => return Err(login(seen)),
        "/metadata/identity/oauth2/token" => return Err(identity(seen, &query)),
        _ => {}
    }
    if seen.fields.get("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return Err(refusal(
            401,
            r#"{"error":{"code":"InvalidAuthenticationToken","message":"The access token is invalid."}}"#,
        ));
    }
    let resource = "/subscriptions/subid/resourceGroups/my%20group/providers/Microsoft.Cdn/profiles/profile1/afdEndpoints/endpoint1/purge";
    if (&*seen.method, path) != ("POST", resource) {
        return Err(refusal(404, r#"{"error":{"code":"ResourceNotFound"}}"#));
    }
    if query != [("api-version".to_owned(), "2023-05-01".to_owned())] {
        return Err(refusal(400, r#"{"error":{"code":"InvalidApiVersionParameter"}}"#));
    }
    let mut body = body(seen)?;
    let domains = body.as_object_mut().and_then(|body| body.remove("domains"));
    let takes = |path: &str| {
        path.starts_with('/') && !path.trim_end_matches("/*").contains('*') && !path.contains('?')
    };
    let paths = list(&body, "contentPaths", 100, takes)?;
    let domains = domains.map(|domains| format!(" on {domains}")).unwrap_or_default();
    Ok(paths.into_iter().map(|path| format!("path {path}{domains}")).collect())
}

/// The grant of an application (RFC 6749, 4.4). It never purges anything, so it is told as a refusal.
fn login(seen: &Seen) -> Reply {
    let form = form(std::str::from_utf8(&seen.body).unwrap());
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let kind = seen.fields.get("content-type");
    let asked = (get("grant_type"), get("client_id"), get("scope"));
    let expected =
        (Some("client_credentials"), Some("id of it"), Some("https://management.azure.com/.default"));
    if kind != Some("application/x-www-form-urlencoded") || asked != expected {
        return refusal(400, r#"{"error":"invalid_request"}"#);
    }
    match get("client_secret") {
        Some(SECRET) => given(),
        other => refusal(
            401,
            &format!(r#"{{"error":"invalid_client","error_description":"{other:?} is no secret"}}"#)
                .replace("Some(\"", "")
                .replace("\")", ""),
        ),
    }
}

fn identity(seen: &Seen, query: &[(String, String)]) -> Reply {
    let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let known = seen.method == "GET"
        && seen.fields.get("metadata") == Some("true")
        && get("api-version") == Some("2018-02-01");
    if !known || get("resource") != Some("https://management.azure.com/") {
        return refusal(
            400,
            r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#,
        );
    }
    match get("client_id") {
        None | Some("one of several") => given(),
        Some(_) => refusal(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
    }
}

/// The identity service writes the seconds as a string.
fn given() -> Reply {
    refusal(200, &format!(r#"{{"access_token":"{TOKEN}","expires_in":"86399","token_type":"Bearer"}}"#))
}

#[tokio::test]
async fn calls_are_made_as_documented() {
    let api = Api::start(contract, done).await;
    for settings in
        [settings(&api.url(), SECRET), machine(&api.url(), None), machine(&api.url(), Some("one of several"))]
    {
        let azure = provider(settings);
        api.check(
            azure.send(&hard(vec![url("/b%20c"), url("/a"), url("/a")])).await,
            &["path /a", "path /b%20c"],
        );
        api.check(azure.send(&hard(vec![prefix("/a/b")])).await, &["path /a/b", "path /a/b/*"]);
        api.check(
            azure.send(&hard(vec![prefix("/"), prefix("/a")])).await,
            &["path /*", "path /a", "path /a/*"],
        );
        api.check(azure.send(&hard(vec![url("/a/b*c")])).await, &["path /a/*"]);
        api.check(azure.send(&hard(vec![Target::All])).await, &["path /*"]);
    }
    assert_eq!(api.origin.count("/tenant/oauth2/v2.0/token"), 1, "a token is kept");
    assert_eq!(api.origin.count("/metadata/identity/oauth2/token"), 2, "one for each identity");
}

#[tokio::test]
async fn a_full_call_is_taken() {
    let api = Api::start(contract, done).await;
    let azure = provider(machine(&api.url(), None));
    let kinds: [(TargetKind, Making); 2] = [(TargetKind::Url, url), (TargetKind::Prefix, prefix)];
    for (kind, target) in kinds {
        let many = azure.limits().many(kind).unwrap();
        azure.send(&hard(full(many.targets, target))).await.unwrap();
        assert_eq!(api.purged().len(), 100, "{}", kind.as_str());
    }
}

#[tokio::test]
async fn domains_are_named() {
    let api = Api::start(contract, done).await;
    let ProviderSettings::Azure(settings) = machine(&api.url(), None) else { unreachable!() };
    let domains = vec!["shop.example.com".to_owned()];
    let azure = provider(ProviderSettings::Azure(AzureSettings { domains, ..settings }));
    api.check(azure.send(&hard(vec![url("/a")])).await, &["path /a on [\"shop.example.com\"]"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_anew() {
    let api = Api::start(contract, done).await;
    let azure = provider(machine(&api.url(), None));
    azure.send(&hard(vec![url("/a")])).await.unwrap();
    api.fail([Fault::Answer(refusal(401, r#"{"error":{"code":"ExpiredAuthenticationToken"}}"#))]);
    let error = azure.send(&hard(vec![url("/a")])).await.unwrap_err();
    assert_eq!(error.as_str(), "credentials");
    azure.send(&hard(vec![url("/a")])).await.unwrap();
    assert_eq!(api.origin.count("/metadata/identity/oauth2/token"), 2);
}

#[tokio::test]
async fn what_an_operator_can_mend_is_not_given_up() {
    let api = Api::start(contract, done).await;
    for settings in [settings(&api.url(), "wrong secret"), machine(&api.url(), Some("nobody"))] {
        let error = provider(settings).send(&hard(vec![url("/a")])).await.unwrap_err();
        assert_eq!(error.as_str(), "credentials", "{error}");
        assert!(!error.to_string().contains("wrong secret"), "{error}");
    }
    let azure = provider(machine(&api.url(), None));
    azure.send(&hard(vec![url("/a")])).await.unwrap();
    api.fail([Fault::Answer(refusal(409, r#"{"error":{"code":"Conflict"}}"#))]);
    let error = azure.send(&hard(vec![url("/a")])).await.unwrap_err();
    assert_eq!(error.as_str(), "in_progress", "{error}");
}
