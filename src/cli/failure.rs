//! How a verb ends when it does not succeed.

use std::fmt;
use std::process::ExitCode;

/// Why a verb failed, and so the exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command or the configuration is wrong: 2. Each line stands by itself and names the mend.
    Usage(String),
    /// It was right, and still did not work: 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// From the faults of a configuration, a line each.
    pub(super) fn faults(faults: impl std::fmt::Display) -> Self {
        Self::Usage(faults.to_string())
    }

    /// A usage error in words.
    pub(super) fn usage(text: impl std::fmt::Display) -> Self {
        Self::Usage(format!("error: {text}"))
    }

    /// The exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            // `{:#}` is the chain of causes on one line.
            Self::Failed(error) => write!(f, "error: {error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
