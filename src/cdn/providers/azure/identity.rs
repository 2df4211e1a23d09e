//! Who Larder is to Azure: an application with a secret, or whatever the machine is.

use super::super::request::{built, encoded};
use super::super::token::request_token;
use super::super::{MakeError, base};
use super::{AzureCredentials, MANAGEMENT};
use crate::cdn::{CallError, Client};
use crate::secret::Secret;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use std::time::Duration;

/// Where tokens for applications are given out.
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
const LOGIN: &str = "https://login.microsoftonline.com";

/// The identity service of a machine at Azure: an address that only the machine reaches.
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
const MACHINE: &str = "http://169.254.169.254";

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Identity {
    /// An application.
    Application { address: String, client_id: String, client_secret: Secret, client: Client },
    /// The machine's, by a client that goes there directly: no proxy reaches the machine's own address.
    Machine { address: String, client: Client },
}

impl Identity {
    pub(super) fn new(
        credentials: &AzureCredentials,
        endpoint: Option<&str>,
        client: &Client,
    ) -> Result<Self, MakeError> {
        Ok(match credentials {
            AzureCredentials::Client { tenant, client_id, client_secret } => Self::Application {
                address: format!(
                    "{}/{}/oauth2/v2.0/token",
                    base(endpoint.unwrap_or(LOGIN))?,
                    encoded(tenant)
                ),
                client_id: encoded(client_id),
                client_secret: client_secret.clone(),
                client: client.clone(),
            },
            AzureCredentials::ManagedIdentity { client_id } => {
                let which =
                    client_id.as_ref().map(|id| format!("&client_id={}", encoded(id))).unwrap_or_default();
                let (base, resource) = (base(endpoint.unwrap_or(MACHINE))?, encoded(MANAGEMENT));
                Self::Machine {
                    address: format!(
                        "{base}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}%2F{which}"
                    ),
                    client: client.direct()?,
                }
            }
        })
    }

    /// Asks for a token.
    pub(super) async fn ask(&self) -> Result<(Secret, Duration), CallError> {
        match self {
            Self::Application { address, client_id, client_secret, client } => {
                let (scope, secret) =
                    (encoded(&format!("{MANAGEMENT}/.default")), encoded(client_secret.expose()));
                let body = format!(
                    "grant_type=client_credentials&client_id={client_id}&client_secret={secret}&scope={scope}"
                );
                let request =
                    Request::post(address).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                let request = built(request.body(Bytes::from(body)))?;
                request_token(client, request, &[client_secret.expose(), &secret]).await
            }
            Self::Machine { address, client } => {
                let request = Request::get(address).header("metadata", "true").body(Bytes::new());
                request_token(client, built(request)?, &[]).await
            }
        }
    }
}
