//! Any journal, cut anywhere or with any byte changed, is what it was up to there.

use super::{journal, names};
use crate::invalidation::{Names, Position};
use crate::spool::record::{self, End, NoJournal, Record};
use crate::spool::state::State;
use crate::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

fn record() -> impl Strategy<Value = Record> {
    let id = 1_u64..20;
    let ids = vec(1_u64..20, 0..4);
    let cdn = prop_oneof![Just("a"), Just("ü\"\n"), Just("gone")].prop_map(Box::<str>::from);
    let time = (0_u64..100_000).prop_map(Timestamp::from_millis);
    let position = any::<u64>().prop_map(Position::from_u64);
    let names = prop_oneof![
        Just(Names::NONE),
        "\\PC{0,12}".prop_map(|name| names(&name)),
        Just(names("\u{1}\"\\\n"))
    ];
    prop_oneof![
        vec(cdn.clone(), 0..3).prop_map(Record::Cdns),
        (id.clone(), time.clone(), any::<u64>(), names.clone())
            .prop_map(|(id, due, within, names)| Record::Intent { id, due, within, names }),
        ids.clone().prop_map(Record::Withdraw),
        (id.clone(), position, time.clone(), names, ids.clone()).prop_map(
            |(id, position, at, names, settles)| Record::Append { id, position, at, names, settles }
        ),
        (cdn.clone(), ids.clone()).prop_map(|(cdn, jobs)| Record::Settle { cdn, jobs }),
        (cdn.clone(), ids, time.clone(), "\\PC{0,9}").prop_map(|(cdn, jobs, at, reason)| Record::Bury {
            cdn,
            jobs,
            at,
            reason: reason.into()
        }),
        (cdn, id, time).prop_map(|(cdn, first, at)| Record::Retry { cdn, first, at }),
    ]
}

/// Where the frames begin, and at the end where the last ends; and the state at each of those places.
fn places(records: &[Record]) -> Vec<(usize, State)> {
    let (mut bytes, mut state) = (record::header(), State::default());
    let mut places = vec![(bytes.len(), state.clone())];
    for record in records {
        record::encode(record, &mut bytes);
        state.apply(record);
        places.push((bytes.len(), state.clone()));
    }
    places
}

fn read(bytes: &[u8]) -> Result<(State, End), NoJournal> {
    let mut state = State::default();
    record::decode(bytes, |record| _ = state.apply(record)).map(|end| (state, end))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn what_is_cut_is_what_it_was_up_to_the_cut(records in vec(record(), 0..12), cut in any::<prop::sample::Index>()) {
        let bytes = journal(&records);
        let places = places(&records);
        let cut = cut.index(bytes.len() + 1);
        let read = read(&bytes[..cut]);
        match places.iter().rev().find(|(place, _)| *place <= cut) {
            None => prop_assert_eq!(read, Err(NoJournal::Foreign)),
            Some((place, state)) => {
                let end = if *place == cut { End::Whole } else { End::Torn(*place) };
                prop_assert_eq!(read, Ok((state.clone(), end)));
            }
        }
    }

    #[test]
    fn a_changed_byte_is_noticed(records in vec(record(), 1..12), at in any::<prop::sample::Index>(), by in 1_u8..) {
        let mut bytes = journal(&records);
        let places = places(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        match places.iter().rposition(|(place, _)| *place <= at) {
            None => prop_assert!(read(&bytes).is_err()),
            Some(frame) => {
                let (place, state) = &places[frame];
                let last = frame + 2 == places.len();
                let end = if last { End::Torn(*place) } else { End::Damaged(*place) };
                prop_assert_eq!(read(&bytes), Ok((state.clone(), end)));
            }
        }
    }

    #[test]
    fn bytes_of_a_stranger_do_no_harm(behind in vec(any::<u8>(), 0..400)) {
        let bytes = [record::header(), behind].concat();
        prop_assert_eq!(read(&bytes).map(|(state, _)| state), Ok(State::default()));
    }

    #[test]
    fn a_journal_written_anew_says_the_same(records in vec(record(), 0..30)) {
        let mut state = State::default();
        records.iter().for_each(|record| _ = state.apply(record));
        // A journal that is written anew ends with this: queues of CDNs that went are forgotten when they are empty.
        state.apply(&Record::Cdns(state.cdns().to_vec()));
        prop_assert_eq!(read(&state.encode()), Ok((state, End::Whole)));
    }
}

#[test]
fn what_another_version_wrote_is_refused() {
    let mut later = journal(&[Record::Last { job: 7, intent: 8 }]);
    later[12] = 2;
    assert_eq!(read(&later), Err(NoJournal::Version(2)));
    assert_eq!(read(b"{}"), Err(NoJournal::Foreign));

    // A frame that is right in every way but for what it says.
    let mut unknown = journal(&[Record::Last { job: 7, intent: 8 }]);
    let offset = unknown.len();
    record::encode(&Record::Last { job: 7, intent: 8 }, &mut unknown);
    let (start, end) = (offset + 12, unknown.len());
    let word = unknown[start..end].windows(4).position(|word| word == b"last").unwrap();
    unknown[start + word] = b'L';
    let mut sum = crc32fast::Hasher::new();
    sum.update(&u32::try_from(end - start).unwrap().to_le_bytes());
    sum.update(&unknown[start..end]);
    unknown[start - 4..start].copy_from_slice(&sum.finalize().to_le_bytes());
    assert_eq!(read(&unknown), Err(NoJournal::Unknown { offset }));
}
