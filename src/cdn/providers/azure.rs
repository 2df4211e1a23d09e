//! Azure Front Door.

use crate::secret::Secret;

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
