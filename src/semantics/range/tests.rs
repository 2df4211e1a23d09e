use super::super::MultipartPlan;
use super::super::testing::{BORN, headers};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn single(start: u64, end: u64) -> RangePlan {
    RangePlan::Single(ByteRange { start, end })
}

fn multiple(ranges: &[(u64, u64)]) -> RangePlan {
    RangePlan::Multiple(ranges.iter().map(|&(start, end)| ByteRange { start, end }).collect())
}

fn tagged() -> Validators {
    Validators { etag: Some(b"\"a\""[..].into()), last_modified: None, date: BORN }
}

#[test]
fn plans() {
    fn check(clause: &str, range: &str, length: u64, expected: &RangePlan) {
        let plan = plan_range(&headers(&[("range", range)]), &tagged(), length);
        assert_eq!(plan, *expected, "{clause}: {range} of {length}");
    }
    use RangePlan::{Full, Unsatisfiable};
    check("14.1.2 first-last", "bytes=0-99", 1000, &single(0, 100));
    check("14.1.2 one byte", "bytes=0-0", 1000, &single(0, 1));
    check("14.1.2 open", "bytes=900-", 1000, &single(900, 1000));
    check("14.1.2 everything", "bytes=0-", 1000, &single(0, 1000));
    check("14.1.2 beyond the end", "bytes=900-5000", 1000, &single(900, 1000));
    check("14.1.2 last byte", "bytes=999-999", 1000, &single(999, 1000));
    check("14.1.2 suffix", "bytes=-100", 1000, &single(900, 1000));
    check("14.1.2 suffix longer than the body", "bytes=-5000", 1000, &single(0, 1000));
    check("14.1.2 starts at the end", "bytes=1000-", 1000, &Unsatisfiable);
    check("14.1.2 starts behind the end", "bytes=1000-2000", 1000, &Unsatisfiable);
    check("14.1.2 suffix of zero", "bytes=-0", 1000, &Unsatisfiable);
    check("14.1.1 last before first", "bytes=9-8", 1000, &Full);
    check("14.1.1 last before first, elsewhere", "bytes=0-1,9-8", 1000, &Full);
    check("14.1 unit without case", "BYTES=0-1", 1000, &single(0, 2));
    check("14.2 another unit", "items=0-1", 1000, &Full);
    check("14.1.1 nothing", "bytes=", 1000, &Full);
    check("14.1.1 no range", "bytes=-", 1000, &Full);
    check("14.1.1 no dash", "bytes=5", 1000, &Full);
    check("14.1.1 no unit", "0-5", 1000, &Full);
    check("14.1.1 not digits", "bytes=a-b", 1000, &Full);
    check("14.1.1 negative", "bytes=--5", 1000, &Full);
    check("14.1.1 blank within", "bytes=0 - 5", 1000, &Full);
    check("14.1.1 blank before", "bytes = 0-5", 1000, &Full);
    check("2^64 and beyond", "bytes=0-99999999999999999999999", 1000, &single(0, 1000));
    check("2^64 and beyond", "bytes=99999999999999999999999-", 1000, &Unsatisfiable);
    check("2^64 - 1", "bytes=18446744073709551615-18446744073709551615", 1000, &Unsatisfiable);
    check("empty body", "bytes=0-", 0, &Unsatisfiable);
    check("empty body, its end", "bytes=-5", 0, &Full);
    check("empty body, its end twice", "bytes=-5,-3", 0, &Full);

    check("14.6 two", "bytes=0-1,4-5", 1000, &multiple(&[(0, 2), (4, 6)]));
    check("14.6 in the order asked for", "bytes=4-5, 0-1", 1000, &multiple(&[(4, 6), (0, 2)]));
    check("14.6 touching", "bytes=0-1,2-3", 1000, &multiple(&[(0, 2), (2, 4)]));
    check("5.6.1 empty members", "bytes=,0-1,,4-5,", 1000, &multiple(&[(0, 2), (4, 6)]));
    check("15.3.7 one of two reaches in", "bytes=0-1,2000-", 1000, &single(0, 2));
    check("15.5.17 none reaches in", "bytes=1000-,2000-", 1000, &Unsatisfiable);
    check("14.2 overlapping", "bytes=0-9,5-12", 1000, &Full);
    check("14.2 overlapping, not in order", "bytes=5-12,100-,0-5", 1000, &Full);
    check("14.2 repeated", "bytes=0-0,0-0", 1000, &Full);
    check("14.2 overlapping at the end", "bytes=900-,-50", 1000, &Full);
    let many =
        |n: u64| format!("bytes={}", (0..n).map(|i| format!("{0}-{0}", i * 2)).collect::<Vec<_>>().join(","));
    let sixteen: Vec<_> = (0..16).map(|i| (i * 2, i * 2 + 1)).collect();
    check("CVE-2011-3192 sixteen", &many(16), 1000, &multiple(&sixteen));
    check("CVE-2011-3192 seventeen", &many(17), 1000, &Full);
    check("CVE-2011-3192 seventeen behind the end", &many(17), 1, &Full);
}

#[test]
fn fields_around() {
    let plan = |fields: &[(&str, &str)]| plan_range(&headers(fields), &tagged(), 1000);
    assert_eq!(plan(&[]), RangePlan::Full, "no Range");
    assert_eq!(plan(&[("range", "bytes=0-1"), ("range", "bytes=4-5")]), RangePlan::Full, "5.3 several Range");
    assert_eq!(plan(&[("range", "bytes=0-1"), ("if-range", "\"a\"")]), single(0, 2), "13.1.5");
    assert_eq!(plan(&[("range", "bytes=0-1"), ("if-range", "\"b\"")]), RangePlan::Full, "13.1.5");
    assert_eq!(
        plan(&[("range", "bytes=2000-"), ("if-range", "\"b\"")]),
        RangePlan::Full,
        "13.2.2 before 416"
    );
}

#[test]
fn content_ranges() {
    assert_eq!(ByteRange { start: 0, end: 100 }.content_range(1000), b"bytes 0-99/1000", "14.4");
    assert_eq!(ByteRange { start: 999, end: 1000 }.content_range(1000), b"bytes 999-999/1000", "14.4");
    assert_eq!(unsatisfied_content_range(1000), b"bytes */1000", "15.5.17");
}

fn some_range() -> impl Strategy<Value = String> {
    let position = prop_oneof![4 => (0..120_u64).prop_map(|n| n.to_string()), 1 => Just(String::new())];
    let spec = (position.clone(), position).prop_map(|(first, last)| format!("{first}-{last}"));
    prop_oneof![
        4 => proptest::collection::vec(spec, 0..20).prop_map(|specs| format!("bytes={}", specs.join(","))),
        1 => "[ -~]{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn slices_lie_inside_the_body(range in some_range(), length in 0..100_u64) {
        let request = headers(&[("range", range.trim())]);
        let inside = |range: &ByteRange| range.start < range.end && range.end <= length;
        match plan_range(&request, &tagged(), length) {
            RangePlan::Full | RangePlan::Unsatisfiable => {}
            RangePlan::Single(range) => prop_assert!(inside(&range)),
            RangePlan::Multiple(ranges) => {
                prop_assert!(ranges.len() > 1 && ranges.len() <= MOST_RANGES);
                prop_assert!(ranges.iter().all(inside));
                let sum: u64 = ranges.iter().map(|range| range.length()).sum();
                prop_assert!(sum <= length, "never more than the body");
                let body: Bytes = (0..length as u8).collect::<Vec<_>>().into();
                let plan = MultipartPlan::new(&body, None, &ranges, "cut");
                prop_assert_eq!(plan.length, plan.pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
                for (range, piece) in ranges.iter().zip(plan.pieces.iter().skip(1).step_by(2)) {
                    prop_assert_eq!(piece, &body[range.start as usize..range.end as usize]);
                }
            }
        }
    }
}
