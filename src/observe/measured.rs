//! The port to the origins, measured.

use super::{Metrics, OriginMetrics};
use crate::origin::{Fetch, FetchError, FetchRequest, Reply, ReplyBody};
use crate::time::Stopwatch;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// A [`Fetch`] that counts what another one does: how long heads took, and what failed.
pub struct MeasuredFetch<F> {
    inner: F,
    metrics: Arc<Metrics>,
}

impl<F: Fetch> MeasuredFetch<F> {
    /// Measures `inner`.
    pub fn new(inner: F, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl<F: Fetch> Fetch for MeasuredFetch<F> {
    async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError> {
        let Some(origin) = self.metrics.origin(&request.origin) else {
            return self.inner.fetch(request).await;
        };
        let watch = Stopwatch::start();
        match self.inner.fetch(request).await {
            Ok(mut reply) => {
                origin.answered(watch.elapsed());
                reply.body = Box::new(MeasuredBody { inner: reply.body, origin });
                Ok(reply)
            }
            Err(error) => {
                origin.failed(error.as_str());
                Err(error)
            }
        }
    }
}

struct MeasuredBody {
    inner: Box<dyn ReplyBody>,
    origin: Arc<OriginMetrics>,
}

#[async_trait]
impl ReplyBody for MeasuredBody {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.inner.next().await.inspect_err(|error| self.origin.failed(error.as_str()))
    }
}
