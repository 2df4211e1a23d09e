//! Azure Front Door.
//!
//! <https://learn.microsoft.com/rest/api/frontdoorservice/azurefrontdoorstandardpremium/afd-endpoints/purge-content>

mod identity;

use self::identity::Identity;
use super::request::{encoded, exchange, json, judge_address, no_page, patterns};
use super::token::{Tokens, bearer};
use super::{MakeError, base};
use crate::cdn::limits::AZURE;
use crate::cdn::{Call, CallError, Client, Limits, Provider};
use crate::secret::Secret;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The version of the API that requests are written for.
const API_VERSION: &str = "2023-05-01";

/// Where Azure manages resources, which is also what a token is good for.
pub(super) const MANAGEMENT: &str = "https://management.azure.com";

/// What is set for Azure Front Door (Standard and Premium).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureSettings {
    /// ID of the subscription.
    pub subscription: String,
    /// Name of the resource group.
    pub resource_group: String,
    /// Name of the Front Door profile.
    pub profile: String,
    /// Name of its endpoint.
    pub endpoint_name: String,
    /// Domains to purge; empty: all of the endpoint.
    pub domains: Vec<String>,
    /// How Larder proves who it is.
    pub credentials: AzureCredentials,
    /// Where the API is, instead of `https://management.azure.com`.
    pub endpoint: Option<String>,
    /// Where tokens are given out, instead of `https://login.microsoftonline.com` or the identity service of the machine.
    pub login_endpoint: Option<String>,
}

/// How Larder proves to Azure who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureCredentials {
    /// An application with a secret.
    Client {
        /// ID of the directory.
        tenant: String,
        /// ID of the application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// The identity of the machine; with several, that of this ID.
    ManagedIdentity {
        /// Which identity.
        client_id: Option<String>,
    },
}

/// The API of Azure Front Door, for one endpoint.
///
/// Purges name paths, on all domains that are set, whatever their case and query. The API answers that a purge was accepted
/// and does it within ten minutes; accepted counts as delivered, since what is left to do cannot be hastened, and everything
/// behind it would wait.
#[derive(Debug)]
pub struct Azure {
    limits: Limits,
    client: Client,
    address: String,
    domains: Vec<String>,
    identity: Identity,
    tokens: Tokens,
}

impl Azure {
    /// With `settings`; calls take `timeout` at most.
    pub fn new(settings: &AzureSettings, timeout: Duration) -> Result<Self, MakeError> {
        let AzureSettings {
            subscription,
            resource_group,
            profile,
            endpoint_name,
            domains,
            credentials,
            endpoint,
            login_endpoint,
        } = settings;
        let base = base(endpoint.as_deref().unwrap_or(MANAGEMENT))?;
        let [subscription, group, profile, name] =
            [subscription, resource_group, profile, endpoint_name].map(|part| encoded(part));
        let resource = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Cdn/profiles/{profile}/afdEndpoints/{name}"
        );
        let client = Client::new(timeout)?;
        Ok(Self {
            limits: AZURE.clone(),
            identity: Identity::new(credentials, login_endpoint.as_deref(), &client)?,
            client,
            address: format!("{base}{resource}/purge?api-version={API_VERSION}"),
            domains: domains.clone(),
            tokens: Tokens::new(),
        })
    }

    fn body(&self, call: &Call) -> Value {
        // Two hosts may name one path.
        let paths: BTreeSet<String> = call.targets.iter().flat_map(patterns).collect();
        if self.domains.is_empty() {
            json!({ "contentPaths": paths })
        } else {
            json!({ "contentPaths": paths, "domains": self.domains })
        }
    }
}

#[async_trait]
impl Provider for Azure {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let token = self.tokens.get(|| self.identity.ask()).await?;
        let request = Request::post(&self.address).header(AUTHORIZATION, bearer(&token));
        let reply = exchange(&self.client, json(request, &self.body(call))?, &[token.expose()]).await?;
        if reply.status() == StatusCode::UNAUTHORIZED {
            self.tokens.forget(&token);
        }
        match verdict(&reply) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

/// What a reply says. An endpoint that is being changed, by another purge or by an operator, answers with a conflict until
/// that is done.
fn verdict(reply: &Response<Bytes>) -> Option<CallError> {
    let Some(error) = judge_address(reply) else { return no_page(reply, "Azure").err() };
    Some(match error {
        CallError::Refused { reason } if reply.status() == StatusCode::CONFLICT => {
            CallError::Later { kind: "in_progress", reason, after: None }
        }
        error => error,
    })
}
