//! How replies tell CDNs their tags: the engine's wish, and what the layer for CDNs knows of it.

use super::StartError;
use crate::cdn::{CdnSettings, TagFields, providers};
use crate::engine::CdnFields;
use crate::invalidation::Bearings;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;

/// The fields by which replies tell these CDNs their tags; `None` where none of them takes any.
pub(crate) fn fields(cdns: &[CdnSettings]) -> Result<Option<Arc<dyn CdnFields>>, StartError> {
    let made = cdns
        .iter()
        .map(|cdn| providers::make(cdn).map_err(|error| StartError::Cdn(format!("{}: {error}", cdn.name))));
    let providers = made.collect::<Result<Vec<_>, _>>()?;
    let fields = TagFields::new(providers.iter().map(|provider| provider.limits()));
    let fields = fields.map_err(|error| StartError::Cdn(error.to_string()))?;
    Ok((!fields.is_empty()).then(|| Arc::new(fields) as Arc<dyn CdnFields>))
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
}
