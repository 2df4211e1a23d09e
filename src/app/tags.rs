//! How replies tell CDNs their tags: the engine's wish, and what the layer for CDNs knows of it.

use super::StartError;
use super::cdns::Providers;
use crate::cdn::{CdnSettings, TagFields};
use crate::engine::CdnFields;
use crate::invalidation::Bearings;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;

/// What replies tell these CDNs; `None` where there are none. To those that take no tags replies bear none, and say all the same
/// what is not to be kept.
pub(crate) fn fields(cdns: &[CdnSettings]) -> Result<Option<Arc<dyn CdnFields>>, StartError> {
    fields_of(&Providers::new(cdns)?)
}

/// As [`fields`], of those that were made.
pub(super) fn fields_of(providers: &Providers) -> Result<Option<Arc<dyn CdnFields>>, StartError> {
    let fields = TagFields::new(providers.limits()).map_err(|error| StartError::Cdn(error.to_string()))?;
    let any = providers.limits().next().is_some();
    Ok(any.then(|| Arc::new(fields) as Arc<dyn CdnFields>))
}

impl CdnFields for TagFields {
    fn write(
        &self,
        headers: &mut HeaderMap,
        tags: &[String],
        bearings: &Bearings,
        before: Option<&HeaderMap>,
    ) {
        Self::write(self, headers, tags, bearings, before);
    }

    fn names(&self) -> &[HeaderName] {
        Self::names(self)
    }

    fn readers(&self) -> u8 {
        Self::readers(self)
    }
}
