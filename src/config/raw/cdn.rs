//! `cdn`.

use crate::cdn::Rate;
use crate::cdn::providers::akamai::AkamaiNetwork;
use crate::config::read::{Hint, List, Map, record};
use crate::config::units::Brief;
use crate::config::values::{
    Authority, BaseUrl, DoneAnswer, Ident, Key, RouteName, SecretTemplate, Separator, TagField, UrlTemplate,
    ValueTemplate,
};
use http::{HeaderName, Method};
use std::path::PathBuf;
use std::time::Duration;

record! {
    /// `cdn`, one of.
    Cdn, hint: |key| match key {
        "aws" | "amazon" | "cloud_front" => Some(Hint::Meant("cloudfront")),
        "azure_front_door" | "front_door" => Some(Hint::Meant("azure")),
        "google_cloud_cdn" | "gcp" | "gcp_cdn" => Some(Hint::Meant("google")),
        "bunnycdn" | "bunny_net" => Some(Hint::Meant("bunny")),
        "varnish" | "nginx" | "custom" | "webhook" => Some(Hint::Meant("http")),
        "token" | "distribution" | "zone" | "service" | "endpoint" => {
            Some(Hint::Instead("write it under the CDN it belongs to: `cloudfront: { distribution: … }`".into()))
        }
        _ => None,
    };
    "name" => name: RouteName,
    "cloudfront" => cloudfront: Cloudfront,
    "fastly" => fastly: Fastly,
    "cloudflare" => cloudflare: Cloudflare,
    "akamai" => akamai: Akamai,
    "google" => google: Google,
    "azure" => azure: Azure,
    "bunny" => bunny: Bunny,
    "http" => http: HttpApi,
    "hosts" => hosts: List<Authority>,
    "public_url" => public_url: BaseUrl,
    "gather" => gather: Brief,
    "second_purge" => second_purge: Duration,
    "give_up_after" => give_up_after: Duration,
    "timeout" => timeout: Duration,
    "rate" => rate: Rate,
}

record! {
    /// `cdn[].cloudfront`.
    #[cfg_attr(not(feature = "cloudfront"), expect(dead_code, reason = "read to name what is wrong with it, no more"))]
    Cloudfront, hint: |key| match key {
        "distribution_id" | "id" => Some(Hint::Meant("distribution")),
        "access_key" | "access_key_id" | "secret_access_key" | "profile" | "credentials" => {
            Some(Hint::Instead("credentials come from the environment, as for every AWS tool".into()))
        }
        "queries" => Some(Hint::Meant("query_strings")),
        _ => None,
    };
    "distribution" => distribution: Ident,
    "query_strings" => query_strings: bool,
    "tags" => tags: TagField,
    "region" => region: Ident,
    "endpoint" => endpoint: BaseUrl,
}

record! {
    /// `cdn[].fastly`.
    Fastly, hint: |key| match key {
        "service_id" | "id" => Some(Hint::Meant("service")),
        "key" | "api_token" | "api_key" => Some(Hint::Meant("token")),
        _ => None,
    };
    "service" => service: Ident,
    "token" => token: Key,
    "tags" => tags: bool,
    "endpoint" => endpoint: BaseUrl,
}

record! {
    /// `cdn[].cloudflare`.
    Cloudflare, hint: |key| match key {
        "zone_id" | "id" => Some(Hint::Meant("zone")),
        "key" | "api_token" | "api_key" => Some(Hint::Meant("token")),
        _ => None,
    };
    "zone" => zone: Ident,
    "token" => token: Key,
    "tags" => tags: bool,
    "query_strings" => query_strings: bool,
    "variants" => variants: List<Map<String>>,
    "endpoint" => endpoint: BaseUrl,
}

record! {
    /// `cdn[].akamai`.
    Akamai, hint: |key| match key {
        "cpcodes" | "cp_code" | "cpcode" => Some(Hint::Meant("cp_codes")),
        _ => None,
    };
    "host" => host: Authority,
    "client_token" => client_token: Key,
    "client_secret" => client_secret: Key,
    "access_token" => access_token: Key,
    "network" => network: AkamaiNetwork,
    "delete" => delete: bool,
    "cp_codes" => cp_codes: List<usize>,
    "tags" => tags: bool,
    "endpoint" => endpoint: BaseUrl,
}

record! {
    /// `cdn[].google`.
    Google, hint: |key| match key {
        "project_id" => Some(Hint::Meant("project")),
        "urlmap" | "load_balancer" => Some(Hint::Meant("url_map")),
        "key_file" | "service_account" => Some(Hint::Meant("credentials")),
        _ => None,
    };
    "project" => project: Ident,
    "url_map" => url_map: Ident,
    "credentials" => credentials: PathBuf,
    "tags" => tags: bool,
    "endpoint" => endpoint: BaseUrl,
    "token_endpoint" => token_endpoint: BaseUrl,
}

record! {
    /// `cdn[].azure`.
    Azure, hint: |key| match key {
        "subscription_id" => Some(Hint::Meant("subscription")),
        "tenant_id" => Some(Hint::Meant("tenant")),
        _ => None,
    };
    "subscription" => subscription: Ident,
    "resource_group" => resource_group: Ident,
    "profile" => profile: Ident,
    "endpoint_name" => endpoint_name: Ident,
    "domains" => domains: List<Authority>,
    "tenant" => tenant: Ident,
    "client_id" => client_id: Ident,
    "client_secret" => client_secret: Key,
    "endpoint" => endpoint: BaseUrl,
    "login_endpoint" => login_endpoint: BaseUrl,
}

record! {
    /// `cdn[].bunny`.
    Bunny, hint: |key| match key {
        "pull_zone_id" | "id" | "zone" => Some(Hint::Meant("pull_zone")),
        "key" | "api_key" | "token" => Some(Hint::Meant("access_key")),
        _ => None,
    };
    "pull_zone" => pull_zone: usize,
    "access_key" => access_key: Key,
    "tags" => tags: bool,
    "endpoint" => endpoint: BaseUrl,
}

record! {
    /// `cdn[].http`.
    HttpApi, hint: |key| match key {
        "method" | "headers" | "body" => {
            Some(Hint::Instead("write it under what it purges: `url: { method: PURGE, url: … }`".into()))
        }
        _ => None,
    };
    "url" => url: HttpCall,
    "prefix" => prefix: HttpCall,
    "tag" => tag: HttpCall,
    "all" => all: HttpCall,
    "tag_header" => tag_header: TagHeader,
    "queries" => queries: bool,
}

record! {
    /// One kind of request under `cdn[].http`.
    HttpCall, hint: |key| match key {
        "ok" | "statuses" | "status" | "accept" | "success" => Some(Hint::Meant("done")),
        _ => None,
    };
    "method" => method: Method,
    "url" => url: UrlTemplate,
    "headers" => headers: Map<SecretTemplate>,
    "body" => body: ValueTemplate,
    "item" => item: ValueTemplate,
    "join" => join: ValueTemplate,
    "batch" => batch: usize,
    "done" => done: List<DoneAnswer>,
}

record! {
    /// `cdn[].http.tag_header`.
    TagHeader;
    "name" => name: HeaderName,
    "separator" => separator: Separator,
    "tags" => tags: usize,
    "bytes" => bytes: usize,
    "longest" => longest: usize,
}
