//! What each API takes: one table, each figure with the page it is from.
//!
//! A row says the most that an API takes with everything it offers turned on; its provider takes away what is not set up. Where
//! a page is silent the figure is Larder's own, and the comment says so.

use super::{Alphabet, Limits, Many, Rate, Separator, TagHeader};
use http::HeaderName;
use std::time::Duration;

/// Every row, by the word for the CDN in the configuration.
pub static EACH: [(&str, &Limits); 2] = [("cloudfront", &CLOUDFRONT), ("akamai", &AKAMAI)];

/// Paths that end in `*` and may be in progress at once for a distribution of CloudFront; beside them 3,000 others may.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html>
pub const CLOUDFRONT_WILDCARDS: usize = 15;

/// Amazon CloudFront. A prefix is a wildcard; a URL is one too, where query strings belong to the cache key.
pub static CLOUDFRONT: Limits = Limits {
    // Paths of 4,000 characters at most (invalidation-specifying-objects.html), and escaping may make three of one. The
    // size of a request is not documented; half a megabyte is 3,000 paths of 160 bytes.
    url: Some(Many { targets: 3_000, bytes: 512 << 10, overhead: 16, longest: 1_300 }),
    prefix: Some(Many { targets: CLOUDFRONT_WILDCARDS, bytes: 512 << 10, overhead: 64, longest: 1_300 }),
    // A tag counts as a path (invalidation-specifying-tags.html).
    tag: Some(Many { targets: 3_000, bytes: 512 << 10, overhead: 16, longest: 256 }),
    all: true,
    soft: false,
    queries: true,
    // Not documented. Ten calls within a second were seen to be refused, one a second never.
    rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 3 },
    header: Some(TagHeader {
        // Each distribution names its own.
        name: HeaderName::from_static("cache-tag"),
        separator: Separator::Comma,
        tags: 50,
        // Not documented beside 50 tags of 256 characters; replies with more than 20 KiB of fields are refused by many
        // on the way.
        bytes: 8 << 10,
        longest: 256,
        alphabet: Alphabet { without: ", ", ignores_case: true },
    }),
    source: "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html",
};

/// Akamai, by Fast Purge v3. Everything is a list of CP codes.
pub static AKAMAI: Limits = Limits {
    // Bodies of 50,000 bytes (reference/413), of which `{"objects":[]}` takes 14; each object its quotes and a comma. A
    // request may not ask for more than its bucket ever holds: 10,000 URLs, 5,000 tags. How long a URL may be is not
    // documented; the longest that servers commonly take are of 8,000 bytes.
    url: Some(Many { targets: 10_000, bytes: 50_000 - 14, overhead: 3, longest: 8_000 }),
    prefix: None,
    tag: Some(Many { targets: 5_000, bytes: 50_000 - 14, overhead: 3, longest: 128 }),
    all: true,
    soft: true,
    queries: false,
    // For all clients of an account together.
    rate: Rate { calls: 50, per: Duration::from_secs(1), burst: 100 },
    header: Some(TagHeader {
        name: HeaderName::from_static("edge-cache-tag"),
        separator: Separator::Comma,
        // docs/assign-cache-tags: 128 tags of 128 characters; the edge takes 8,192 bytes of header fields altogether.
        tags: 128,
        bytes: 6_000,
        longest: 128,
        alphabet: Alphabet { without: "<>*@\\{}:,\"=()?;/ []", ignores_case: false },
    }),
    source: "https://techdocs.akamai.com/purge-cache/reference/rate-limiting",
};

impl Limits {
    /// These, without tags unless `tags`.
    pub fn with_tags(mut self, tags: bool) -> Self {
        if !tags {
            self.tag = None;
            self.header = None;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdn::TargetKind;

    #[test]
    fn every_row_can_be_kept() {
        for (name, limits) in EACH {
            assert!(limits.source.starts_with("https://"), "{name}");
            assert!(limits.rate.burst > 0 && limits.rate.calls > 0 && !limits.rate.per.is_zero(), "{name}");
            assert_eq!(limits.tag.is_some(), limits.header.is_some(), "{name}");
            for kind in TargetKind::EACH {
                let Some(many) = limits.many(kind) else { continue };
                assert!(many.targets > 0, "{name} {}", kind.as_str());
                let one = many.longest.saturating_add(many.overhead);
                assert!(one <= many.bytes || kind == TargetKind::All, "{name} {}", kind.as_str());
            }
            if let (Some(header), Some(tag)) = (&limits.header, limits.tag) {
                assert!(header.longest <= tag.longest, "{name}: a tag that replies bear can be purged");
                assert!(header.longest <= header.bytes && header.tags > 0, "{name}");
            }
        }
    }
}
