//! Why an origin cannot be used as it is set.

use std::path::PathBuf;

/// A fault in the settings of an origin or in what they point to. The text names the cause and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Two origins bear one name.
    #[error("origin `{origin}` is there twice; give one of them another name")]
    Duplicate {
        /// The name.
        origin: String,
    },
    /// An origin without servers.
    #[error("origin `{origin}` has no servers; list at least one, as `servers: [\"http://127.0.0.1:3000\"]`")]
    NoServers {
        /// The origin.
        origin: String,
    },
    /// A server that cannot be reached by what is written.
    #[error("origin `{origin}`: {server} is not a server: {cause}; write it as `http://name:port`")]
    Server {
        /// The origin.
        origin: String,
        /// The server as written.
        server: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A protocol that the scheme of a server rules out.
    #[error(
        "origin `{origin}`: {server} and `protocol: {protocol}` exclude each other; write `protocol: {instead}`"
    )]
    Protocol {
        /// The origin.
        origin: String,
        /// The server as written.
        server: String,
        /// The protocol as written.
        protocol: &'static str,
        /// The one meant.
        instead: &'static str,
    },
    /// A limit that would let nothing through.
    #[error("origin `{origin}`: `max_in_flight: 0` lets no request through; write 1 or more")]
    NothingInFlight {
        /// The origin.
        origin: String,
    },
    /// A path that no request can be sent to.
    #[error("origin `{origin}`: `health_check.path: {path}` is not a path; write it as `/healthz`")]
    HealthCheck {
        /// The origin.
        origin: String,
        /// The path as written.
        path: String,
    },
    /// The file of authorities cannot be used.
    #[error(
        "origin `{origin}`: cannot take authorities from {path}: {cause}; `ca:` wants a readable PEM file with the \
         certificate of the authority that signed the origin's"
    )]
    Ca {
        /// The origin.
        origin: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The system trusts no authority.
    #[error(
        "origin `{origin}` is https, but the system has no root certificates: {cause}; install the package \
         ca-certificates, or name a PEM file in `ca:`"
    )]
    SystemRoots {
        /// The origin.
        origin: String,
        /// What was found instead.
        cause: String,
    },
    /// There is no runtime for the background tasks.
    #[error("origins have background tasks: they are made inside a tokio runtime")]
    NoRuntime,
}
