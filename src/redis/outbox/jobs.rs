//! Jobs and dead letters as they stand in streams, which anybody with access can write into.

use super::OutboxEvent;
use crate::cdn::{DeadLetter, Job, JobId};
use crate::invalidation::{Invalidation, Matcher, Names, Position};
use crate::redis::wire::{array, bytes, position, position_of};
use crate::time::Timestamp;
use redis::Value;

/// Fields that stand before those of the job in a dead letter: `job`, `buried`, `reason`.
pub(super) const LETTER_FIELDS: usize = 3;

/// Why a job says everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// What it says cannot be read.
    Unreadable,
    /// It stands for a queue that is gone, …
    Queue,
    /// … or was too long, …
    Overflow,
    /// … or held what no Larder put in.
    Foreign,
}

impl From<Lost> for OutboxEvent {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unreadable => Self::Unreadable,
            Lost::Queue => Self::Lost,
            Lost::Overflow => Self::Overflow,
            Lost::Foreign => Self::Foreign,
        }
    }
}

/// An entry of a queue. `None`: its ID is one that no script gives.
pub(super) fn job(entry: &Value) -> Option<(Job, Option<Lost>)> {
    let (id, fields) = entry_of(entry)?;
    Some(job_of(position(id).ok()?, &fields))
}

/// An entry of the dead letters.
pub(super) fn letter(entry: &Value) -> Option<DeadLetter> {
    let (_, fields) = entry_of(entry)?;
    let id = position_of(field(&fields, b"job")?).ok()?;
    let (before, fields_of_job) = fields.split_at_checked(LETTER_FIELDS)?;
    let reason = field(before, b"reason").unwrap_or_default();
    Some(DeadLetter {
        job: job_of(id, fields_of_job).0,
        buried: millis(field(before, b"buried")).unwrap_or_default(),
        reason: String::from_utf8_lossy(reason).into_owned(),
    })
}

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

fn entry_of(entry: &Value) -> Option<(&Value, Fields<'_>)> {
    let [id, fields] = array(entry).ok()? else { return None };
    let (pairs, _) = array(fields).ok()?.as_chunks::<2>();
    let fields = pairs.iter().map(|[name, value]| Some((bytes(name).ok()?, bytes(value).ok()?)));
    Some((id, fields.collect::<Option<_>>()?))
}

fn field<'a>(fields: &[(&'a [u8], &'a [u8])], name: &[u8]) -> Option<&'a [u8]> {
    fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
}

/// What does not say what it purges, purges everything; what does not say where it stands in the log, stands nowhere there.
fn job_of(id: Position, fields: &[(&[u8], &[u8])]) -> (Job, Option<Lost>) {
    let names = field(fields, b"names").map(Names::from_bytes).unwrap_or_default();
    let read = names.read().ok().filter(|purges| !purges.is_empty());
    let lost = match field(fields, b"why") {
        _ if read.is_none() => Some(Lost::Unreadable),
        Some(b"lost") => Some(Lost::Queue),
        Some(b"overflow") => Some(Lost::Overflow),
        Some(b"foreign") => Some(Lost::Foreign),
        _ => None,
    };
    let stands = field(fields, b"position").and_then(|text| position_of(text).ok());
    let job = Job {
        id: JobId(id.as_u64()),
        position: stands.unwrap_or(Position::START),
        at: millis(field(fields, b"at")).unwrap_or(id.time()),
        purges: read.unwrap_or_else(|| vec![Invalidation::hard(Matcher::All)]),
    };
    (job, lost)
}

fn millis(text: Option<&[u8]>) -> Option<Timestamp> {
    std::str::from_utf8(text?).ok()?.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, fields: &[&str]) -> Value {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Array(vec![text(id), Value::Array(fields.iter().map(|field| text(field)).collect())])
    }

    const TAG: &str = "[\"tag\",\"hard\",\"t\"]\n";

    #[test]
    fn jobs_are_read_and_what_cannot_be_is_everything() {
        #[track_caller]
        fn check(fields: &[&str], position: u64, at: u64, purge: Matcher, lost: Option<Lost>) {
            let (job, why) = job(&entry("7-1", fields)).expect("a job");
            let purges = vec![Invalidation::hard(purge)];
            let position = Position::from_u64(position << 20);
            let expected = Job { id: JobId(7 << 20 | 1), position, at: Timestamp::from_millis(at), purges };
            assert_eq!((job, why), (expected, lost), "{fields:?}");
        }
        let tag = || Matcher::Tag("t".into());
        check(&["position", "6-0", "names", TAG, "at", "5"], 6, 5, tag(), None);
        check(&["names", TAG], 0, 7, tag(), None);
        check(&["position", "x", "names", TAG, "at", "x", "more", "of it"], 0, 7, tag(), None);
        check(&["position", "6-0", "at", "5"], 6, 5, Matcher::All, Some(Lost::Unreadable));
        check(&["names", ""], 0, 7, Matcher::All, Some(Lost::Unreadable));
        check(&["names", "[\"tag\",\"hard\"]"], 0, 7, Matcher::All, Some(Lost::Unreadable));
        check(&[], 0, 7, Matcher::All, Some(Lost::Unreadable));
        let all = "[\"all\",\"hard\"]\n";
        check(&["names", all, "why", "overflow"], 0, 7, Matcher::All, Some(Lost::Overflow));
        check(&["names", all, "why", "lost"], 0, 7, Matcher::All, Some(Lost::Queue));
        check(&["names", all, "why", "foreign"], 0, 7, Matcher::All, Some(Lost::Foreign));
        check(&["names", all, "why", "whatever"], 0, 7, Matcher::All, None);
    }

    #[test]
    fn ids_that_no_script_gives_are_no_jobs() {
        for odd in [entry("18446744073709551615-0", &["names", TAG]), entry("7-1048576", &[]), Value::Nil] {
            assert_eq!(job(&odd), None);
        }
    }

    #[test]
    fn letters_keep_the_job_and_the_reason() {
        let fields =
            ["job", "7-1", "buried", "9", "reason", "no", "position", "6-0", "names", TAG, "at", "5"];
        let read = letter(&entry("8-0", &fields)).expect("a letter");
        assert_eq!((read.job.id, read.buried.as_millis(), &*read.reason), (JobId(7 << 20 | 1), 9, "no"));
        assert_eq!(read.job.purges, [Invalidation::hard(Matcher::Tag("t".into()))]);
        assert_eq!(letter(&entry("8-0", &["job", "7"])), None);
        assert_eq!(letter(&entry("8-0", &["job", "7-1"])), None);
        assert_eq!(letter(&Value::Nil), None);
    }
}
