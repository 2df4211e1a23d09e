//! Durations (`1h30m`) and sizes (`256MiB`). A number without a unit is never guessed at.

use super::fault::{Wrong, quoted};
use super::read::Scalar;
use std::time::Duration;

/// The longest duration: the largest `delta-seconds` that every cache must understand (RFC 9111, 1.2.2).
const MAX_MILLIS: u64 = (1 << 31) * 1000;

/// What amounts of one kind are written in.
struct Units {
    /// Name and factor, the largest first.
    units: &'static [(&'static str, u64)],
    /// Names that are written elsewhere, in small letters, and the unit that stands for each here.
    other_names: &'static [(&'static str, &'static str)],
    /// The unit that a number without one most likely has.
    usual: &'static str,
    /// How many units an amount may be the sum of.
    max_parts: usize,
    /// An amount as a user would write it.
    show: fn(u64) -> String,
}

/// In milliseconds.
const TIME: Units = Units {
    units: &[
        ("w", 7 * 24 * 3_600_000),
        ("d", 24 * 3_600_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ],
    other_names: &[
        ("week", "w"),
        ("weeks", "w"),
        ("day", "d"),
        ("days", "d"),
        ("hr", "h"),
        ("hrs", "h"),
        ("hour", "h"),
        ("hours", "h"),
        ("min", "m"),
        ("mins", "m"),
        ("minute", "m"),
        ("minutes", "m"),
        ("sec", "s"),
        ("secs", "s"),
        ("second", "s"),
        ("seconds", "s"),
        ("msec", "ms"),
        ("millis", "ms"),
        ("milliseconds", "ms"),
    ],
    usual: "s",
    max_parts: 6,
    show: |millis| show_duration(Duration::from_millis(millis)),
};

/// In bytes. Where one name could be either, powers of 1024 come first.
const SIZE: Units = Units {
    units: &[
        ("TiB", 1 << 40),
        ("TB", 1_000_000_000_000),
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1000),
        ("B", 1),
    ],
    other_names: &[
        ("t", "TiB"),
        ("ti", "TiB"),
        ("g", "GiB"),
        ("gi", "GiB"),
        ("m", "MiB"),
        ("mi", "MiB"),
        ("k", "KiB"),
        ("ki", "KiB"),
        ("byte", "B"),
        ("bytes", "B"),
    ],
    usual: "MiB",
    max_parts: 1,
    show: show_size,
};

/// In milliseconds too, for what is mostly shorter than a second.
const BRIEF: Units = Units { usual: "ms", ..TIME };

/// A duration that is mostly shorter than a second: a number without a unit is taken for milliseconds by whoever writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Brief(pub(super) Duration);

impl From<Brief> for Duration {
    fn from(Brief(time): Brief) -> Self {
        time
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(pub(super) u64);

impl Scalar for Duration {
    const WHAT: &'static str = "a duration such as `30s`, `50ms` or `1h30m`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        TIME.duration(text)
    }
}

impl Scalar for Brief {
    const WHAT: &'static str = Duration::WHAT;

    fn parse(text: &str) -> Result<Self, Wrong> {
        BRIEF.duration(text).map(Self)
    }
}

impl Scalar for Size {
    const WHAT: &'static str = "a size such as `256MiB` or `8MB`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        SIZE.parse(text).map(Self).ok_or_else(|| SIZE.explain(text, "a size", Self::WHAT))
    }
}

/// A duration as a user would write it.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut shown = String::new();
    // Weeks are understood but not written: nobody reads `1w3d` faster than `10d`.
    for (unit, millis) in TIME.units.iter().filter(|(unit, _)| *unit != "w") {
        if rest >= *millis {
            shown.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if shown.is_empty() { "0s".into() } else { shown }
}

/// A size as a user would write it: in the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    let fitting = SIZE.units.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (name, unit) = fitting.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

impl Units {
    /// The sum of `text`'s parts, each a whole number and a unit, from large to small and every unit once.
    fn parse(&self, text: &str) -> Option<u64> {
        let mut rest = text;
        let mut units = self.units.iter();
        let mut total = 0_u64;
        for _ in 0..self.max_parts {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (name, after) = split(after, |c| c.is_ascii_alphabetic());
            // `find` goes on from the last unit, so none comes twice or after a smaller one.
            let (_, factor) = units.find(|(unit, _)| *unit == name)?;
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
            rest = after;
            if rest.is_empty() {
                return Some(total);
            }
        }
        None
    }

    /// An amount of milliseconds, as what it is.
    fn duration(&self, text: &str) -> Result<Duration, Wrong> {
        match self.parse(text) {
            Some(millis) if millis <= MAX_MILLIS => Ok(Duration::from_millis(millis)),
            Some(_) => Err(Wrong::new(
                format!("{} is longer than any cache counts", quoted(text)),
                "write at most `3550w`, which is 68 years",
            )),
            None => Err(self.explain(text, "a duration", Duration::WHAT)),
        }
    }

    /// What is wrong with a text that cannot be parsed, with what was probably meant.
    fn explain(&self, text: &str, kind: &str, what: &str) -> Wrong {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let all: Vec<_> = self.units.iter().rev().map(|(unit, _)| *unit).collect();
            let meant = quoted(&format!("{text}{}", self.usual));
            let remedy = format!("write {meant} if that is meant, or one of {}", all.join(", "));
            return Wrong::new(format!("{} has no unit", quoted(text)), remedy);
        }
        let remedy = match self.guess(text) {
            Some(amount) => format!("write `{}`", (self.show)(amount)),
            None => format!("write {what}"),
        };
        Wrong::new(format!("{} is not {kind}", quoted(text)), remedy)
    }

    /// As [`Units::parse`], for what people write elsewhere: spaces, capitals, long names, fractions, any order.
    fn guess(&self, text: &str) -> Option<u64> {
        // Beyond this a double no longer holds every whole number, and nothing is worth suggesting.
        const EXACT: f64 = 9e15;
        let squeezed: String = text.to_lowercase().split_whitespace().collect();
        let mut rest = squeezed.as_str();
        let mut total = 0.0;
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
            let (name, after) = split(after, |c| c.is_ascii_alphabetic());
            let name =
                self.other_names.iter().find(|(other, _)| *other == name).map_or(name, |(_, unit)| unit);
            let (_, factor) = self.units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name))?;
            total += number.parse::<f64>().ok()? * *factor as f64;
            rest = after;
        }
        (!text.is_empty() && total < EXACT).then_some(total.round() as u64)
    }
}

fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0s", 0),
            ("50ms", 50),
            ("1s", 1000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("1w2d3h4m5s6ms", 788_645_006),
            ("90s", 90_000),
            ("2147483648s", MAX_MILLIS),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("1kB", 1000),
            ("1KiB", 1024),
            ("256MiB", 268_435_456),
            ("8MB", 8_000_000),
            ("2GiB", 2 << 30),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text}");
        }
    }

    #[track_caller]
    fn check<T: Scalar + std::fmt::Debug>(text: &str, problem: &str, remedy: &str) {
        let wrong = T::parse(text).expect_err(text);
        assert_eq!((wrong.problem.as_str(), wrong.remedy.as_str()), (problem, remedy), "{text}");
    }

    #[test]
    fn faults_of_durations() {
        let example = "write a duration such as `30s`, `50ms` or `1h30m`";
        check::<Duration>(
            "30",
            "`30` has no unit",
            "write `30s` if that is meant, or one of ms, s, m, h, d, w",
        );
        check::<Brief>(
            "200",
            "`200` has no unit",
            "write `200ms` if that is meant, or one of ms, s, m, h, d, w",
        );
        check::<Brief>("5min", "`5min` is not a duration", "write `5m`");
        check::<Duration>("5min", "`5min` is not a duration", "write `5m`");
        check::<Duration>("1.5h", "`1.5h` is not a duration", "write `1h30m`");
        check::<Duration>("30m1h", "`30m1h` is not a duration", "write `1h30m`");
        check::<Duration>("10 Seconds", "`10 Seconds` is not a duration", "write `10s`");
        check::<Duration>("1s1s", "`1s1s` is not a duration", "write `2s`");
        check::<Duration>("-5s", "`-5s` is not a duration", example);
        check::<Duration>("forever", "`forever` is not a duration", example);
        check::<Duration>("", "`` is not a duration", example);
        check::<Duration>("s", "`s` is not a duration", example);
        check::<Duration>("1µs", "`1µs` is not a duration", example);
        check::<Duration>("99999999999999999999w", "`99999999999999999999w` is not a duration", example);
        let longest = "write at most `3550w`, which is 68 years";
        check::<Duration>("100000d", "`100000d` is longer than any cache counts", longest);
    }

    #[test]
    fn faults_of_sizes() {
        check::<Size>(
            "256",
            "`256` has no unit",
            "write `256MiB` if that is meant, or one of B, kB, KiB, MB, MiB, GB, GiB, TB, TiB",
        );
        check::<Size>("256Mi", "`256Mi` is not a size", "write `256MiB`");
        check::<Size>("256mb", "`256mb` is not a size", "write `256MB`");
        check::<Size>("1.5GiB", "`1.5GiB` is not a size", "write `1536MiB`");
        check::<Size>("64 k", "`64 k` is not a size", "write `64KiB`");
        check::<Size>("1GiB1MiB", "`1GiB1MiB` is not a size", "write `1025MiB`");
        check::<Size>("big", "`big` is not a size", "write a size such as `256MiB` or `8MB`");
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for millis in [0, 1, 999, 1000, 61_000, 3_600_000, 86_400_000 * 10 + 1] {
            let duration = Duration::from_millis(millis);
            assert_eq!(Duration::parse(&show_duration(duration)), Ok(duration));
        }
        for bytes in [0, 1, 1000, 1024, 1_000_000, 1 << 20, 3 << 30, 12_345] {
            assert_eq!(Size::parse(&show_size(bytes)), Ok(Size(bytes)));
        }
    }
}
