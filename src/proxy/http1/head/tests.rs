use super::*;

/// Scans `text` in pieces of several lengths; the outcome must not depend on them.
#[track_caller]
fn scan(text: &str) -> Scan {
    let mut outcomes = [1, 2, 3, 7, text.len().max(1)].map(|piece| {
        let mut scanner = Scanner::default();
        let mut end = 0;
        loop {
            end = (end + piece).min(text.len());
            match scanner.advance(&text.as_bytes()[..end]) {
                Scan::Partial if end < text.len() => {}
                outcome => return outcome,
            }
        }
    });
    let last = outcomes.len() - 1;
    for outcome in &outcomes[..last] {
        assert_eq!(*outcome, outcomes[last], "{text:?} depends on how it arrives");
    }
    std::mem::replace(&mut outcomes[last], Scan::Partial)
}

/// A head that is taken, with its framing.
#[track_caller]
fn takes(text: &str, framing: Framing) {
    match scan(text) {
        Scan::Complete(head) => assert_eq!(head.framing, framing, "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    }
}

/// A head that is refused, with the word of the problem.
#[track_caller]
fn refuses(text: &str, word: &str) {
    match scan(text) {
        Scan::Refused(problem) => assert_eq!(problem.as_str(), word, "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    }
}

/// What is handed on of `text`, and what stays.
#[track_caller]
fn hands_on(text: &str, head: &str, rest: &str) {
    let Scan::Complete(found) = scan(text) else { panic!("{text:?} is not taken") };
    let mut bytes = BytesMut::from(text);
    let handed = found.split_off(&mut bytes);
    assert_eq!((std::str::from_utf8(&handed), std::str::from_utf8(&bytes)), (Ok(head), Ok(rest)), "{text:?}");
}

#[test]
fn takes_what_is_well_formed() {
    takes("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
    takes("GET / HTTP/1.0\r\n\r\n", Framing::Length(0));
    takes("GET /a?b=c HTTP/1.1\r\nhOsT: [::1]:8080\r\nX:\r\n\r\n", Framing::Length(0));
    takes("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
    takes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", Framing::Length(12));
    takes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked);
    takes("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0));
    takes("GET / HTTP/1.1\r\nHost:\r\n\r\n", Framing::Length(0));
}

#[test]
fn waits_for_the_end() {
    for text in ["", "\r\n", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        assert_eq!(scan(text), Scan::Partial, "{text:?}");
    }
}

#[test]
fn refuses_what_two_readers_could_read_differently() {
    let cases = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\tb HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTPS\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://user@a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for text in cases {
        refuses(text, "malformed-request");
    }
}

#[test]
fn names_other_problems() {
    refuses("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer-coding");
    refuses(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "transfer-coding",
    );
    refuses("GET / HTTP/2.0\r\n\r\n", "http-version");
    refuses("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "http-version");
    refuses("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "method-not-allowed");
}

#[test]
fn a_head_is_bounded() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD));
    refuses(&long, "head-too-large");
    let fields = "X: y\r\n".repeat(MAX_LINES);
    refuses(&format!("GET / HTTP/1.1\r\n{fields}"), "head-too-large");
    let line = format!("X: {}\r\n", "y".repeat(1000));
    refuses(&format!("GET / HTTP/1.1\r\n{}", line.repeat(66)), "head-too-large");
    // An endless stream of empty lines is no request either.
    refuses(&"\r\n".repeat(MAX_LINES + 1), "head-too-large");
}

#[test]
fn what_follows_the_head_stays() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    hands_on(head, head, "");
    hands_on(&format!("{head}GET /next"), head, "GET /next");
    hands_on(&format!("\r\n{head}rest"), head, "rest");
}

#[test]
fn absolute_form_becomes_origin_form_and_its_authority_wins() {
    hands_on(
        "GET http://a:80/p?q HTTP/1.1\r\nX: 1\r\nHOST: b\r\nY: 2\r\n\r\nnext",
        "GET /p?q HTTP/1.1\r\nHost: a:80\r\nX: 1\r\nY: 2\r\n\r\n",
        "next",
    );
    hands_on("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "");
    hands_on("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: a\r\n\r\n", "");
    hands_on("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "");
    hands_on("GET http://a/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "");
}
