//! `larder cdn`

use super::arguments::{Cdn, CdnVerb, Retry};
use super::failure::Failure;
use super::output;
use super::target::Target;
use anyhow::Context;
use serde_json::Value;
use std::time::Duration;

/// Queues are asked, one after another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks after the purges that CDNs have not taken.
pub(super) fn cdn(arguments: &Cdn) -> Result<(), Failure> {
    match &arguments.verb {
        CdnVerb::Retry(arguments) => retry(arguments),
    }
}

fn retry(arguments: &Retry) -> Result<(), Failure> {
    let target = Target::find(arguments.admin.as_ref(), &arguments.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let text = runtime.block_on(ask(&target, arguments.cdn.as_deref()))?;
    output::print(&text)
}

async fn ask(target: &Target, cdn: Option<&str>) -> Result<String, Failure> {
    const NOT_DONE: &str = "nothing was queued again";
    let path = match cdn {
        None => "/cdn/retry".to_owned(),
        Some(cdn) if cdn.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
            format!("/cdn/retry?cdn={cdn}")
        }
        Some(cdn) => return Err(Failure::usage(format!("`{cdn}` is not the name of a CDN"))),
    };
    let reply = target.post(&path, &[], PATIENCE).await.with_context(|| {
        format!("{NOT_DONE}: is `larder run` up there? (--admin HOST:PORT names another)")
    })?;
    if !reply.status.is_success() {
        return Err(target.refusal(&reply, NOT_DONE));
    }
    let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let retried = document["retried"].as_array().ok_or_else(|| target.stranger(reply.status))?;
    let lines = retried.iter().map(|cdn| {
        let letters = cdn["letters"].as_u64().unwrap_or_default();
        format!("{}: {letters} queued again\n", cdn["cdn"].as_str().unwrap_or("?"))
    });
    let text: String = lines.collect();
    Ok(if text.is_empty() { "there is no CDN\n".to_owned() } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fake::Fake;
    use crate::admin::{Admin, Control};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::SeqCst;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn dead_letters_are_queued_again() {
        let fake = Arc::new(Fake::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { address: listener.local_addr().unwrap().to_string(), token: None };
        let admin = Arc::new(Admin::new(Arc::clone(&fake) as Arc<dyn Control>, None));
        let _admin = tokio::spawn(admin.serve(listener, CancellationToken::new()));
        for cdn in [None, Some("edge")] {
            assert_eq!(ask(&target, cdn).await.unwrap(), "edge: 3 queued again\n");
        }
        let check = async |cdn, part: &str| {
            let text = match ask(&target, cdn).await.expect_err("a failure") {
                Failure::Usage(text) => text,
                Failure::Failed(error) => format!("{error:#}"),
            };
            assert!(text.contains(part), "{text}");
        };
        check(Some("egde"), "there are: edge").await;
        check(Some("a b"), "is not the name of a CDN").await;
        fake.cdn_fails.store(true, SeqCst);
        check(None, "nothing was queued again: no answer").await;
    }
}
