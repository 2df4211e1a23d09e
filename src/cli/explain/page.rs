//! Two columns: what it is about, and what there is to say.

use std::fmt::Write;
use std::time::Duration;

/// As wide as the longest label and two blanks.
const LABEL: usize = 12;

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    last: String,
}

impl Page {
    /// Adds a line. A label that repeats, or is empty, is not shown again.
    pub(super) fn line(&mut self, label: &str, text: &str) {
        let repeats = label.is_empty() || label == self.last;
        let shown = if repeats { "" } else { label };
        if !repeats {
            label.clone_into(&mut self.last);
        }
        // What was written by somebody else may hold control characters; a terminal would obey them.
        let text: String = text
            .chars()
            .flat_map(|char| if char.is_control() { char.escape_default().collect() } else { vec![char] })
            .collect();
        // Writing to a `String` cannot fail.
        _ = writeln!(self.text, "{shown:LABEL$}{text}");
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A duration as the configuration writes it: `1h30m`, `250ms`.
pub(super) fn human(time: Duration) -> String {
    const UNITS: [(u128, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let mut left = time.as_millis();
    let mut text = String::new();
    for (length, unit) in UNITS {
        if left >= length {
            _ = write!(text, "{}{unit}", left / length);
            left %= length;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (millis, want) in [
            (0, "0s"),
            (250, "250ms"),
            (1000, "1s"),
            (90_000, "1m30s"),
            (3_600_000, "1h"),
            (5_400_000, "1h30m"),
            (86_400_000, "1d"),
            (86_401_500, "1d1s500ms"),
        ] {
            assert_eq!(human(Duration::from_millis(millis)), want);
        }
    }

    #[test]
    fn labels_are_not_repeated_and_terminals_not_commanded() {
        let mut page = Page::default();
        page.line("key", "a");
        page.line("key", "b");
        page.line("", "c\u{1b}[31m");
        page.line("tags", "d");
        assert_eq!(page.finish(), "key         a\n            b\n            c\\u{1b}[31m\ntags        d\n");
    }
}
