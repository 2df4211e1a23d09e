//! The live line.

use super::scores::Summary;
use std::time::Duration;

/// What the columns of the live line are.
pub(super) const HEADER: &str = "cache hits   with Larder p50, p99    without p50, p99   spared the shop";

/// The line for a terminal, as wide as [`HEADER`]; at most 80 columns, so that it can be written over itself.
pub(super) fn live(summary: &Summary, asked: u64) -> String {
    let (requests, spared) = (summary.requests, summary.requests.saturating_sub(asked));
    format!(
        "{:>10}   {:>20}   {:>17}   {spared} of {requests}",
        ratio(summary),
        pair(summary.cached),
        pair(summary.direct),
    )
}

/// The same in words, for a file.
pub(super) fn plain(summary: &Summary, asked: u64) -> String {
    let (requests, spared) = (summary.requests, summary.requests.saturating_sub(asked));
    format!(
        "hit ratio {}, p50 and p99 with Larder {}, without {}, origin requests saved {spared} of {requests}",
        ratio(summary),
        pair(summary.cached),
        pair(summary.direct),
    )
}

/// What is left to say at the end.
pub(super) fn last(summary: &Summary, asked: u64) -> String {
    let Summary { failures, changes, stale, .. } = summary;
    let failed = if *failures == 0 { String::new() } else { format!("\n{failures} requests failed") };
    format!("{}\nprices changed {changes}, old prices seen afterwards {stale}{failed}", plain(summary, asked))
}

fn ratio(summary: &Summary) -> String {
    if summary.requests == 0 {
        return "-".into();
    }
    format!("{:.1} %", 100.0 * summary.hits as f64 / summary.requests as f64)
}

fn pair(quantiles: Option<(Duration, Duration)>) -> String {
    quantiles.map_or_else(|| "-".into(), |(p50, p99)| format!("{}, {}", millis(p50), millis(p99)))
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let ms = Duration::from_millis;
        Summary {
            requests: 5120,
            hits: 4782,
            changes: 3,
            cached: Some((Duration::from_micros(420), ms(212))),
            direct: Some((ms(201), ms(238))),
            ..Summary::default()
        }
    }

    #[test]
    fn lines() {
        assert_eq!(
            live(&summary(), 308),
            "    93.4 %         0.4 ms, 212 ms      201 ms, 238 ms   4812 of 5120"
        );
        assert_eq!(
            live(&Summary::default(), 0),
            "         -                      -                   -   0 of 0"
        );
        let want = "hit ratio 93.4 %, p50 and p99 with Larder 0.4 ms, 212 ms, without 201 ms, 238 ms, origin requests saved 4812 of 5120";
        assert_eq!(plain(&summary(), 308), want);
        assert_eq!(last(&summary(), 308), format!("{want}\nprices changed 3, old prices seen afterwards 0"));
        assert!(last(&Summary { failures: 2, ..summary() }, 308).ends_with("\n2 requests failed"));
    }

    #[test]
    fn it_fits_a_terminal() {
        let long = Summary { requests: 99_999_999, hits: 99_999_999, ..summary() };
        assert!(live(&long, 1).len() < 80 && HEADER.len() < 80);
    }
}
