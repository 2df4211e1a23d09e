//! What a reply to a write has to be like.

use crate::config::fault::{Wrong, quoted};
use crate::config::read::Scalar;
use crate::invalidation::Statuses;
use ::http::{HeaderName, HeaderValue};

/// A status, or a class of them, of a write that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct DoneStatus(pub(in crate::config) Statuses);

impl Scalar for DoneStatus {
    const WHAT: &'static str = "a status such as `201`, or a class of them such as `2xx`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (statuses, class) = match text.strip_suffix("xx").map(str::parse) {
            Some(Ok(class @ 1..=5)) if text.len() == 3 => (Statuses::Class(class), class),
            _ => match text.parse::<u16>() {
                Ok(status @ 100..=599) if text.len() == 3 => (Statuses::One(status), status / 100),
                _ => {
                    return Err(Wrong::new(
                        format!("{} is not a status", quoted(text)),
                        format!("write {}", Self::WHAT),
                    ));
                }
            },
        };
        let wrong = |problem: &str| Err(Wrong::new(format!("{} {problem}", quoted(text)), "remove it"));
        match class {
            2 | 3 => Ok(Self(statuses)),
            1 => wrong("does not tell what became of a write"),
            4 => wrong("refuses a write, which then purges nothing"),
            _ => wrong("leaves open whether a write was done, which then purges whatever `when` says"),
        }
    }
}

/// A field that a reply has to have, and perhaps its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct FieldTest(
    pub(in crate::config) HeaderName,
    pub(in crate::config) Option<Box<str>>,
);

impl Scalar for FieldTest {
    const WHAT: &'static str = "a field such as `X-Moved`, or with its value `X-Mode: full`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let Some((name, value)) = text.split_once(':') else {
            return <HeaderName as Scalar>::parse(text).map(|name| Self(name, None));
        };
        let written = name;
        let name = <HeaderName as Scalar>::parse(written)?;
        match value.trim() {
            "" => Err(Wrong::new(
                format!("{} names no value", quoted(text)),
                format!("write {} if any will do", quoted(written)),
            )),
            value if HeaderValue::from_str(value).is_err() => Err(Wrong::new(
                format!("{} is no value of a header", quoted(value)),
                format!("write {}", Self::WHAT),
            )),
            value => Ok(Self(name, Some(value.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        #[track_caller]
        fn check(text: &str, expected: Result<Statuses, &str>) {
            let parsed = DoneStatus::parse(text).map(|status| status.0);
            assert_eq!(parsed.map_err(|wrong| wrong.problem), expected.map_err(str::to_owned), "{text}");
        }
        check("201", Ok(Statuses::One(201)));
        check("2xx", Ok(Statuses::Class(2)));
        check("3xx", Ok(Statuses::Class(3)));
        check("103", Err("`103` does not tell what became of a write"));
        check("409", Err("`409` refuses a write, which then purges nothing"));
        check("4xx", Err("`4xx` refuses a write, which then purges nothing"));
        check(
            "500",
            Err("`500` leaves open whether a write was done, which then purges whatever `when` says"),
        );
        for text in ["", "xx", "20", "2x", "2XX", "6xx", "0xx", "0201", "600", "+20", "ok"] {
            check(text, Err(&format!("`{text}` is not a status")));
        }
    }

    #[test]
    fn fields() {
        #[track_caller]
        fn check(text: &str, name: &'static str, value: Option<&str>) {
            let expected = FieldTest(HeaderName::from_static(name), value.map(Into::into));
            assert_eq!(FieldTest::parse(text), Ok(expected));
        }
        check("X-Moved", "x-moved", None);
        check("X-Mode: full", "x-mode", Some("full"));
        check("X-Time:12:30", "x-time", Some("12:30"));
        for text in ["", "X Y", "X-Y:", "X-Y: ", ": a", "X-Y: a\u{1}"] {
            assert!(FieldTest::parse(text).is_err(), "{text:?}");
        }
    }
}
