use super::*;

fn epoch_of(birth: u128, term: u32) -> Epoch {
    Epoch { birth: Birth(birth), term: Term(term) }
}

fn text(text: &str) -> Value {
    blob(text.as_bytes())
}

fn blob(bytes: &[u8]) -> Value {
    Value::BulkString(bytes.to_vec())
}

#[test]
fn positions_come_back_and_others_are_refused() {
    for number in [0, 1, (1 << 20) - 1, 1 << 20, u64::MAX] {
        let position_of_it = Position::from_u64(number);
        assert_eq!(position(&text(&id_of(position_of_it))), Ok(position_of_it));
    }
    assert_eq!(id_of(Position::from_u64(5 << 20 | 7)), "5-7");
    assert_eq!(id_after(Position::from_u64(5 << 20 | 7)), "5-8");
    assert_eq!(id_after(Position::from_u64((6 << 20) - 1)), "5-1048576");
    for bad in ["", "-", "1", "1-", "-1", "1-1048576", "17592186044416-0", "1-1-1", "x-1", "1--1"] {
        assert_eq!(position(&text(bad)), Err(Malformed), "{bad:?}");
    }
    assert_eq!(position(&blob(&[0xff, b'-', b'1'])), Err(Malformed));
    assert_eq!(position(&Value::Int(1)), Err(Malformed));
}

/// A record of epoch 9, 2 at 7-0 after 6-0, with one field replaced.
fn entry(name: &str, value: &Value) -> Value {
    let fields = [
        ("previous", text("6-0")),
        ("id", blob(&3_u128.to_be_bytes())),
        ("urgent", text("1")),
        ("purges", blob(&Purge::everything().to_bytes())),
        ("epoch", blob(&epoch_bytes(epoch_of(9, 2)))),
    ];
    let put = |(field, kept): (&str, Value)| [text(field), if field == name { value.clone() } else { kept }];
    let id = if name == "position" { value.clone() } else { text("7-0") };
    Value::Array(vec![id, Value::Array(fields.into_iter().flat_map(put).collect())])
}

#[test]
fn records_are_read_in_either_protocol() {
    let expected = Record {
        position: Position::from_u64(7 << 20),
        previous: Position::from_u64(6 << 20),
        id: RecordId(3),
        purges: Arc::from([Purge::everything()]),
        names: Names::NONE,
        urgent: true,
    };
    let entries = Value::Array(vec![entry("", &Value::Nil)]);
    let pair = Value::Array(vec![text("stream"), entries.clone()]);
    for reply in [Value::Array(vec![pair]), Value::Map(vec![(text("stream"), entries)])] {
        assert_eq!(read_reply(&reply, epoch_of(9, 2)), Ok(vec![expected.clone()]));
        assert_eq!(read_reply(&reply, epoch_of(9, 3)), Ok(vec![expected.clone()]), "inherited");
        assert_eq!(read_reply(&reply, epoch_of(9, 1)), Err(BadRecord::Foreign), "of a later term");
        assert_eq!(read_reply(&reply, epoch_of(8, 2)), Err(BadRecord::Foreign), "of another log");
    }
    assert_eq!(read_reply(&Value::Nil, epoch_of(9, 2)), Ok(Vec::new()));
    for odd in [Value::Okay, Value::Array(Vec::new()), Value::Map(Vec::new()), text("stream")] {
        assert_eq!(read_reply(&odd, epoch_of(9, 2)), Err(BadRecord::Malformed), "{odd:?}");
    }
}

/// What stands in the stream of names.
fn named(id: &str, record: u128, names: &str) -> Value {
    let fields = vec![text("id"), blob(&record.to_be_bytes()), text("names"), text(names)];
    Value::Array(vec![text(id), Value::Array(fields)])
}

#[test]
fn records_get_their_own_names() {
    #[track_caller]
    fn check(names: Vec<Value>, expected: &str) {
        let entries = Value::Array(vec![entry("", &Value::Nil)]);
        let mut read = records(&entries, epoch_of(9, 2)).expect("a record");
        name(&mut read, &Value::Array(names));
        assert_eq!(read[0].names, Names::from_bytes(expected.as_bytes()));
    }
    check(vec![], "");
    check(vec![named("6-0", 2, "x"), named("7-0", 3, "y"), named("8-0", 4, "z")], "y");
    check(vec![named("7-0", 4, "of a record of another log")], "");
    check(vec![named("7-1", 3, "at another place")], "");
    check(vec![text("nonsense"), named("7", 3, "x"), named("7-0", 3, "y")], "y");
    check(vec![Value::Array(vec![text("7-0"), Value::Array(vec![text("id")])])], "");
    name(&mut [], &Value::Nil);
}

#[test]
fn records_that_no_script_wrote_are_refused() {
    let purge = Purge::everything().to_bytes();
    let two_and_a_half = [&purge[..], &purge[..], &purge[..5]].concat();
    for (field, value) in [
        ("position", text("7")),
        ("previous", text("7-0")),
        ("previous", text("x")),
        ("id", text("short")),
        ("urgent", text("2")),
        ("purges", text("")),
        ("purges", blob(&[7; 10])),
        ("purges", blob(&two_and_a_half)),
        ("epoch", text("short")),
        ("epoch", blob(&[0; 21])),
        ("epoch", Value::Nil),
    ] {
        let reply = Value::Array(vec![entry(field, &value)]);
        assert_eq!(records(&reply, epoch_of(9, 2)), Err(BadRecord::Malformed), "{field}: {value:?}");
    }
    let other = Value::Array(vec![text("7-0"), Value::Array(vec![text("a"), text("b")])]);
    assert_eq!(records(&Value::Array(vec![other]), epoch_of(9, 2)), Err(BadRecord::Malformed));
}

#[test]
fn heads_are_checked() {
    #[track_caller]
    fn check(term: &str, last: &str, ends: &str, expected: Result<&[u64], Malformed>) {
        let mut fields = vec![blob(&9_u128.to_be_bytes()), text(term), text(last), text(ends)];
        // Of some kinds nothing was ever purged.
        fields.extend([text("1-0"), Value::Nil, text("0-0")].into_iter().cycle().take(2 * Kind::EACH.len()));
        let ends = head(&fields).map(|head| head.ends);
        fields.pop();
        assert_eq!(head(&fields), Err(Malformed), "a mark is missing");
        let expected: Result<Vec<_>, _> =
            expected.map(|ends| ends.iter().map(|millis| Position::from_u64(millis << 20)).collect());
        assert_eq!(ends, expected);
    }
    check("1", "5-0", "", Ok(&[]));
    check("3", "5-0", " 4-0 5-0", Ok(&[4, 5]));
    check("3", "5-0", "4-0 4-0", Ok(&[4, 4]));
    check("2", "5-0", "", Err(Malformed));
    check("1", "5-0", "4-0", Err(Malformed));
    check("3", "5-0", "5-0 4-0", Err(Malformed));
    check("2", "5-0", "6-0", Err(Malformed));
    check("0", "5-0", "", Err(Malformed));
    check("x", "5-0", "", Err(Malformed));
    check("1", "x", "", Err(Malformed));
    assert_eq!(head(&[]), Err(Malformed));
}

#[test]
fn an_intent_that_cannot_be_read_purges_everything() {
    let due = Value::Array(vec![blob(&7_u128.to_be_bytes()), text("1"), text("nonsense"), text("")]);
    let beat = beat(&[text("5-0"), Value::Array(Vec::new()), due, Value::Int(0)]).expect("a beat");
    assert_eq!((&beat.due[0].purges[..], beat.due[0].last), (&[Purge::everything()][..], true));
    assert_eq!(beat.due[0].names, Names::everything());
}

#[test]
fn answers_that_are_not_expected_have_a_meaning() {
    #[track_caller]
    fn check(words: &[&str], expected: &Result<usize, StoreError>) {
        let reply = Value::Array(words.iter().map(|word| text(word)).collect());
        assert_eq!(answer(&reply, "ok").map(<[Value]>::len), *expected);
    }
    check(&["ok"], &Ok(0));
    check(&["ok", "a", "b"], &Ok(2));
    check(&["moved"], &Err(StoreError::Moved));
    check(&["layout", "7"], &Err(StoreError::Layout(7)));
    check(&["layout", "x"], &Err(Malformed.into()));
    check(&["replica"], &Err(unavailable("the server is a replica")));
    check(&["something"], &Err(Malformed.into()));
    check(&[], &Err(Malformed.into()));
    assert_eq!(answer(&Value::Nil, "ok"), Err(Malformed.into()));
}

#[test]
fn what_a_record_raises_is_what_the_nodes_table_raises() {
    let hash = crate::invalidation::MatcherHash::from_u64(0x0123_4567_89ab_cdef);
    let hard = Purge { kind: Kind::Tag, mode: Mode::Hard, hash };
    let all = Purge { mode: Mode::Soft, ..Purge::everything() };
    let Raised { offsets: [hard, soft], all } = raised(&[hard, all]);
    let slots: Vec<_> = table_slots(hash, TABLE_SLOTS).map(|slot| (16 + 8 * slot) as u32).collect();
    let offsets: Vec<_> = hard.as_chunks::<4>().0.iter().map(|at| u32::from_be_bytes(*at)).collect();
    assert_eq!((offsets, soft, all), (slots, Vec::new(), [false, true]));
}
