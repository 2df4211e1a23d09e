//! What each API takes: one table, each figure with the page it is from.
//!
//! A row says the most that an API takes with everything it offers turned on; its provider takes away what is not set up. Where
//! a page is silent the figure is Larder's own, and the comment says so.

use super::{Alphabet, HostUse, Limits, Many, Rate, Separator, TagHeader};
use http::HeaderName;
use std::time::Duration;

/// Every row, by the word for the CDN in the configuration.
pub static EACH: [(&str, &Limits); 7] = [
    ("cloudfront", &CLOUDFRONT),
    ("fastly", &FASTLY),
    ("cloudflare", &CLOUDFLARE),
    ("akamai", &AKAMAI),
    ("google", &GOOGLE),
    ("azure", &AZURE),
    ("bunny", &BUNNY),
];

/// Paths and tags that may be in progress at once for a distribution of CloudFront, by
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html>, …
pub const CLOUDFRONT_FILES: usize = 3_000;

/// … and paths that end in `*`, which are counted apart.
pub const CLOUDFRONT_WILDCARDS: usize = 15;

/// Amazon CloudFront. A prefix is a wildcard; a URL is one too, where query strings belong to the cache key.
pub static CLOUDFRONT: Limits = Limits {
    // Paths of 4,000 characters at most (invalidation-specifying-objects.html), and escaping may make three of one. The
    // size of a request is not documented; half a megabyte is 1,000 paths of 500 bytes. A call asks for a third of what may
    // be in progress: for all of it, it would have to wait until nothing of anybody's is.
    url: Some(Many { targets: CLOUDFRONT_FILES / 3, bytes: 512 << 10, overhead: 16, longest: 1_300 }),
    prefix: Some(Many { targets: CLOUDFRONT_WILDCARDS / 3, bytes: 512 << 10, overhead: 64, longest: 1_300 }),
    // A tag counts as a path (invalidation-specifying-tags.html).
    tag: Some(Many { targets: CLOUDFRONT_FILES / 3, bytes: 512 << 10, overhead: 16, longest: 256 }),
    all: true,
    soft: false,
    queries: true,
    hosts: HostUse::None,
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

/// Fastly. URLs go out one by one, to the letter: their queries belong to them.
pub static FASTLY: Limits = Limits {
    // URLs of 8 KB (reference/vcl/constraints-and-limitations).
    url: Some(Many { targets: 1, bytes: 8_000, overhead: 0, longest: 8_000 }),
    prefix: None,
    // Keys of 1,024 bytes (the same page), 256 in a batch (reference/api/purging). The size of a batch is not documented
    // beside that.
    tag: Some(Many { targets: 256, bytes: 256 * 1_027, overhead: 3, longest: 1_024 }),
    all: true,
    soft: true,
    queries: false,
    hosts: HostUse::Needed,
    // 100,000 an hour for a customer, counted beside the rate of other calls. How many may come at once is not documented; a
    // hundred is what that is in four seconds.
    rate: Rate { calls: 100_000, per: Duration::from_secs(3600), burst: 100 },
    header: Some(TagHeader {
        name: HeaderName::from_static("surrogate-key"),
        separator: Separator::Space,
        // reference/http/http-headers/Surrogate-Key: 16,384 bytes, whatever their number.
        tags: 16_384 / 2,
        bytes: 16_384,
        longest: 1_024,
        alphabet: Alphabet { without: "", ignores_case: false },
    }),
    source: "https://www.fastly.com/documentation/guides/concepts/edge-state/cache/purging/",
};

/// Cloudflare. A purge of a URL leaves its other queries; one of a prefix takes them along.
pub static CLOUDFLARE: Limits = Limits {
    // 100 operations a request of each kind. The size of a request is not documented; URLs of 16 KB are the longest that
    // its edge takes.
    url: Some(Many { targets: 100, bytes: 512 << 10, overhead: 3, longest: 16_000 }),
    // 31 segments (purge_by_prefix), which is more than a prefix of Larder ever has.
    prefix: Some(Many { targets: 100, bytes: 512 << 10, overhead: 3, longest: 16_000 }),
    // Tags of 1,024 characters in a call (purge-by-tags).
    tag: Some(Many { targets: 100, bytes: 512 << 10, overhead: 3, longest: 1_024 }),
    all: true,
    soft: false,
    queries: false,
    hosts: HostUse::Needed,
    // Pro, the least of the plans that are paid for: five a second from a bucket of 25. Free has five a minute, Enterprise
    // fifty a second; each for all zones of an account together.
    rate: Rate { calls: 5, per: Duration::from_secs(1), burst: 25 },
    header: Some(TagHeader {
        name: HeaderName::from_static("cache-tag"),
        separator: Separator::Comma,
        // purge-by-tags: 16 KB, "approximately 1,000 unique tags".
        tags: 1_000,
        bytes: 16_000,
        longest: 1_024,
        alphabet: Alphabet { without: ", ", ignores_case: true },
    }),
    source: "https://developers.cloudflare.com/cache/how-to/purge-cache/",
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
    hosts: HostUse::Needed,
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

/// Google Cloud CDN. Paths are compared without the query.
pub static GOOGLE: Limits = Limits {
    // One path a request. How long it may be is not documented; a URL may have 8 KB (load-balancing/docs/quotas).
    url: Some(Many { targets: 1, bytes: 8_000, overhead: 0, longest: 8_000 }),
    prefix: Some(Many { targets: 1, bytes: 8_000, overhead: 0, longest: 8_000 }),
    // Ten tags a request, any of which matches (media-cdn/docs/cache-invalidation; Cloud CDN has the same field and gives no
    // figure of its own).
    tag: Some(Many { targets: 10, bytes: 10 * 123, overhead: 3, longest: 120 }),
    all: true,
    soft: false,
    queries: true,
    hosts: HostUse::Optional,
    // 500 requests a minute; a prefix takes two of them, so half that many calls are never too many.
    rate: Rate { calls: 250, per: Duration::from_secs(60), burst: 25 },
    header: Some(TagHeader {
        name: HeaderName::from_static("cache-tag"),
        separator: Separator::Comma,
        // Not documented for Cloud CDN. These are below what its neighbours take; whoever knows more may not lose a tag.
        tags: 50,
        bytes: 4_000,
        longest: 120,
        alphabet: Alphabet { without: ", ", ignores_case: false },
    }),
    source: "https://cloud.google.com/cdn/docs/cache-invalidation-overview",
};

/// Azure Front Door, Standard and Premium. Paths are compared without query and case.
pub static AZURE: Limits = Limits {
    // 100 paths a call (azure-subscription-service-limits). A prefix is two of them: the folder, and what is below. How long
    // they may be is not documented; a URL may have 8,192 bytes.
    url: Some(Many { targets: 100, bytes: 512 << 10, overhead: 3, longest: 8_000 }),
    prefix: Some(Many { targets: 50, bytes: 256 << 10, overhead: 8, longest: 8_000 }),
    tag: None,
    all: true,
    soft: false,
    queries: true,
    hosts: HostUse::None,
    // Azure Resource Manager lets a subscription write ten times a second, from a bucket of 200
    // (azure-resource-manager/management/request-limits-and-throttling). Front Door takes fewer without saying how many, and
    // each purge takes minutes: one a second, in calls of a hundred paths, is not what it would refuse.
    rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 10 },
    header: None,
    source: "https://learn.microsoft.com/azure/frontdoor/standard-premium/how-to-cache-purge",
};

/// How often Bunny may be asked for prefixes, which is all it is asked for where it is told no tags.
/// <https://docs.bunny.net/docs/cdn-api-purge-rate-limits>
pub const BUNNY_PREFIXES: Rate = Rate { calls: 1, per: Duration::from_secs(2), burst: 20 };

/// Bunny. It takes one thing a request.
pub static BUNNY: Limits = Limits {
    // How long a URL may be is not documented; it stands encoded in the address of a request.
    url: Some(Many { targets: 1, bytes: 2_500, overhead: 0, longest: 2_500 }),
    prefix: Some(Many { targets: 1, bytes: 2_500, overhead: 0, longest: 2_500 }),
    tag: Some(Many { targets: 1, bytes: 1_000, overhead: 0, longest: 1_000 }),
    all: true,
    soft: false,
    // They are one object or many, as the pull zone is set up.
    queries: false,
    hosts: HostUse::Needed,
    // Of exact URLs. Nothing is said of tags.
    rate: Rate { calls: 5, per: Duration::from_secs(1), burst: 120 },
    header: Some(TagHeader {
        name: HeaderName::from_static("cdn-tag"),
        separator: Separator::Comma,
        // cdn/purge-cache: 1,024 bytes, whatever their number.
        tags: 1_024 / 2,
        bytes: 1_024,
        longest: 1_000,
        alphabet: Alphabet { without: ", *", ignores_case: false },
    }),
    source: "https://docs.bunny.net/docs/cdn-api-purge-rate-limits",
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
