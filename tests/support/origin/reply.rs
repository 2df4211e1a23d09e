//! What an origin answers, from the well-behaved to the malicious.

use super::super::gate::Gate;
use super::super::wire::Wire;
use bytes::Bytes;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::mpsc;

/// A reply to be played. Without any of the switches it is a correct one with a `Content-Length` and a `Date`.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    dated: bool,
    body: Body,
    framing: Framing,
    interim: Bytes,
    before_head: Option<Gate>,
    /// What happens in the body, at which byte, in order.
    events: Vec<(usize, Event)>,
    close: bool,
}

#[derive(Clone, Debug)]
enum Body {
    Whole(Bytes),
    /// Pieces as the test sends them; the end of the channel is the end of the body.
    Fed(Arc<Mutex<Option<mpsc::UnboundedReceiver<Bytes>>>>),
    /// One piece over and over.
    Repeated {
        piece: Bytes,
        times: usize,
    },
    /// Not HTTP at all: these bytes instead of head and body.
    Raw(Bytes),
    /// As `Raw`, then `endless` for as long as anybody reads.
    Endless {
        start: Bytes,
        endless: Bytes,
    },
    /// 101, and every byte back to the sender.
    Echo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    /// `Content-Length` says this, whatever follows.
    Announced(u64),
    Chunked,
    UntilClose,
}

#[derive(Clone, Debug)]
enum Event {
    Hold(Gate),
    Close,
    Reset,
}

/// What becomes of the connection behind a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    KeepOpen,
    Close,
    Reset,
}

/// The test's end of a fed body. Dropping it ends the body.
#[derive(Debug)]
pub(crate) struct Feed(mpsc::UnboundedSender<Bytes>);

impl Feed {
    /// Sends a piece.
    pub(crate) fn send(&self, piece: impl Into<Bytes>) {
        self.0.send(piece.into()).expect("the origin reads until the end");
    }
}

/// A body that the test sends piece by piece, and a reply with it, chunked.
pub(crate) fn feed() -> (Feed, Reply) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let body = Body::Fed(Arc::new(Mutex::new(Some(receiver))));
    (Feed(sender), Reply { body, framing: Framing::Chunked, ..Reply::status(200) })
}

impl Reply {
    /// A reply with an empty body.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            fields: Vec::new(),
            dated: true,
            body: Body::Whole(Bytes::new()),
            framing: Framing::Length,
            interim: Bytes::new(),
            before_head: None,
            events: Vec::new(),
            close: false,
        }
    }

    /// 200 with `body`.
    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// 200 with `body`, fresh for `seconds`.
    pub(crate) fn fresh(seconds: u64, body: impl Into<Bytes>) -> Self {
        Self::ok(body).header("Cache-Control", format!("max-age={seconds}"))
    }

    /// 200 with `body` whose freshness is over, by its own `Age`, when it arrives. `directives` follow `max-age`.
    pub(crate) fn expired(directives: &str, body: impl Into<Bytes>) -> Self {
        Self::ok(body).header("Cache-Control", format!("max-age=10, {directives}")).header("Age", "20")
    }

    /// 304 without fields.
    pub(crate) fn not_modified() -> Self {
        Self::status(304)
    }

    /// Switches protocols and sends every byte back.
    pub(crate) fn echo(protocol: &str) -> Self {
        let echo = Self { body: Body::Echo, ..Self::status(101) };
        echo.header("Connection", "upgrade").header("Upgrade", protocol)
    }

    /// These bytes and nothing else, then an orderly end; with a hold, only once the gate is open.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { body: Body::Raw(bytes.into()), ..Self::status(200) }
    }

    /// `start`, then `endless` again and again.
    pub(crate) fn endless(start: impl Into<Bytes>, endless: impl Into<Bytes>) -> Self {
        Self { body: Body::Endless { start: start.into(), endless: endless.into() }, ..Self::status(200) }
    }

    /// 200 with `times` copies of `piece`, never all in memory.
    pub(crate) fn repeated(piece: impl Into<Bytes>, times: usize) -> Self {
        Self { body: Body::Repeated { piece: piece.into(), times }, ..Self::status(200) }
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// Adds a field.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Leaves `Date` out.
    pub(crate) fn undated(mut self) -> Self {
        self.dated = false;
        self
    }

    /// The body in chunks instead of with a length.
    pub(crate) fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// The body until the connection closes.
    pub(crate) fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self.close = true;
        self
    }

    /// Announces a length that need not be true.
    pub(crate) fn announcing(mut self, length: u64) -> Self {
        self.framing = Framing::Announced(length);
        self.close = true;
        self
    }

    /// Closes the connection behind the reply.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// `count` interim replies before the final one.
    pub(crate) fn after_interim(mut self, status: u16, count: usize) -> Self {
        let interim = format!("HTTP/1.1 {status} Interim\r\nLink: </style.css>; rel=preload\r\n\r\n");
        self.interim = interim.repeat(count).into();
        self
    }

    /// Sends nothing, interim replies included, before the gate is open.
    pub(crate) fn hold_head(mut self, gate: &Gate) -> Self {
        self.before_head = Some(gate.clone());
        self
    }

    /// Stops behind byte `at` of the body until the gate is open.
    pub(crate) fn hold_at(mut self, at: usize, gate: &Gate) -> Self {
        self.events.push((at, Event::Hold(gate.clone())));
        self
    }

    /// Ends the connection, in order, behind byte `at` of the body.
    pub(crate) fn cut_at(mut self, at: usize) -> Self {
        self.events.push((at, Event::Close));
        self
    }

    /// Resets the connection behind byte `at` of the body.
    pub(crate) fn reset_at(mut self, at: usize) -> Self {
        self.events.push((at, Event::Reset));
        self
    }

    /// Sends it.
    pub(super) async fn play(self, wire: &mut Wire, method: &str) -> io::Result<Afterwards> {
        if let Some(gate) = &self.before_head {
            gate.pass().await;
        }
        match &self.body {
            Body::Raw(bytes) => {
                wire.write(bytes).await?;
                for (_, event) in &self.events {
                    match event {
                        Event::Hold(gate) => gate.pass().await,
                        Event::Close => return Ok(Afterwards::Close),
                        Event::Reset => return Ok(Afterwards::Reset),
                    }
                }
                return Ok(Afterwards::Close);
            }
            Body::Endless { start, endless } => {
                wire.write(start).await?;
                loop {
                    wire.write(endless).await?;
                }
            }
            Body::Echo => {
                wire.write(&self.head()).await?;
                return echo(wire).await;
            }
            Body::Whole(_) | Body::Fed(_) | Body::Repeated { .. } => {}
        }
        wire.write(&self.head()).await?;
        let bodiless = method == "HEAD" || self.status == 204 || self.status == 304;
        let afterwards = if bodiless { None } else { self.play_body(wire).await? };
        let close = if self.close { Afterwards::Close } else { Afterwards::KeepOpen };
        Ok(afterwards.unwrap_or(close))
    }

    fn head(&self) -> Vec<u8> {
        let mut head = self.interim.to_vec();
        let mut line = |text: String| {
            head.extend_from_slice(text.as_bytes());
            head.extend_from_slice(b"\r\n");
        };
        line(format!("HTTP/1.1 {} Scripted", self.status));
        if self.dated && !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("date")) {
            line(format!("Date: {}", httpdate::fmt_http_date(SystemTime::now())));
        }
        for (name, value) in &self.fields {
            line(format!("{name}: {value}"));
        }
        let bodiless = self.status < 200 || self.status == 204 || self.status == 304;
        match (self.framing, &self.body) {
            _ if bodiless => {}
            (Framing::Announced(length), _) => line(format!("Content-Length: {length}")),
            (Framing::Chunked, _) => line("Transfer-Encoding: chunked".to_owned()),
            (Framing::UntilClose, _) => line("Connection: close".to_owned()),
            (Framing::Length, Body::Whole(body)) => line(format!("Content-Length: {}", body.len())),
            (Framing::Length, Body::Repeated { piece, times }) => {
                line(format!("Content-Length: {}", piece.len() * times));
            }
            (Framing::Length, _) => unreachable!("a body of unknown length is chunked"),
        }
        line(String::new());
        head
    }

    /// Sends the body with what happens in it; `None` when it went to its end.
    async fn play_body(&self, wire: &mut Wire) -> io::Result<Option<Afterwards>> {
        match &self.body {
            Body::Whole(body) => {
                let mut sent = 0;
                for (at, event) in &self.events {
                    self.write_piece(wire, &body[sent..*at]).await?;
                    sent = *at;
                    match event {
                        Event::Hold(gate) => gate.pass().await,
                        Event::Close => return Ok(Some(Afterwards::Close)),
                        Event::Reset => return Ok(Some(Afterwards::Reset)),
                    }
                }
                self.write_piece(wire, &body[sent..]).await?;
            }
            Body::Fed(receiver) => {
                let receiver = receiver.lock().expect("nothing panics with it").take();
                let mut receiver = receiver.expect("a fed reply is played once");
                while let Some(piece) = receiver.recv().await {
                    self.write_piece(wire, &piece).await?;
                }
            }
            Body::Repeated { piece, times } => {
                for _ in 0..*times {
                    self.write_piece(wire, piece).await?;
                }
            }
            Body::Raw(_) | Body::Endless { .. } | Body::Echo => unreachable!("played without framing"),
        }
        if self.framing == Framing::Chunked {
            wire.write(b"0\r\n\r\n").await?;
        }
        Ok(None)
    }

    async fn write_piece(&self, wire: &mut Wire, piece: &[u8]) -> io::Result<()> {
        if self.framing != Framing::Chunked {
            return wire.write(piece).await;
        }
        if piece.is_empty() {
            // An empty chunk would be the last one.
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        wire.write(&chunk).await
    }
}

async fn echo(wire: &mut Wire) -> io::Result<Afterwards> {
    loop {
        let bytes = wire.some().await?;
        if bytes.is_empty() {
            return Ok(Afterwards::Close);
        }
        wire.write(&bytes).await?;
    }
}
