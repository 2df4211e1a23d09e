//! Replies of Larder's own, written through Pingora's session: from the engine, and problems.

use super::connection::Connection;
use super::problem::{CONTENT_TYPE, Problem};
use crate::engine::{ReplyHead, SendError, Sink};
use crate::semantics::CacheStatus;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE as CONTENT_TYPE_FIELD, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING,
};
use http::{Method, Version};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

/// `Cache-Status` (RFC 9211).
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What is answered to a method that is not allowed (RFC 9110, 15.5.6 asks for the list).
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Fields added to those of a reply, at most: framing, age, cache status, and Pingora's date and connection.
const ADDED: usize = 8;

/// `status` as a field value.
pub(super) fn cache_status(status: &CacheStatus) -> HeaderValue {
    // A member with every parameter fits.
    let mut text = Vec::with_capacity(96);
    status.write(&mut text);
    HeaderValue::try_from(text).expect("a cache status is made of visible characters")
}

/// The session as a sink. A reply that is not finished has to be [cut](cut).
pub(super) struct SessionSink<'a> {
    session: &'a mut ServerSession,
    connection: &'a Connection,
}

impl<'a> SessionSink<'a> {
    /// Writes to `session`. `last`: the connection is closed after this reply.
    pub(super) fn new(session: &'a mut ServerSession, connection: &'a Connection, last: bool) -> Self {
        if last {
            session.set_keepalive(None);
        }
        Self { session, connection }
    }

    /// Writes a reply that is whole in memory.
    pub(super) async fn whole(&mut self, head: ReplyHead, body: Bytes) -> Result<()> {
        let bodiless = body.is_empty();
        self.write_head(&head, bodiless).await?;
        if !bodiless {
            self.session.write_response_body(body, true).await?;
        }
        Ok(())
    }

    async fn write_head(&mut self, head: &ReplyHead, bodiless: bool) -> Result<()> {
        let ReplyHead { status, fields, age, content_length, cache_status: ours } = head;
        let mut response = ResponseHeader::build_no_case(*status, Some(ADDED + 16))?;
        let mut appended = Ok(true);
        fields.for_each(|name, value| {
            if appended.is_ok() {
                appended = response.append_header(name, value);
            }
        });
        appended?;
        if let Some(age) = age {
            response.insert_header(AGE, HeaderValue::from(*age))?;
        }
        response.append_header(CACHE_STATUS, cache_status(ours))?;
        match content_length {
            Some(length) => response.insert_header(CONTENT_LENGTH, HeaderValue::from(*length))?,
            None if bodiless => {}
            None => self.frame_by_arrival(&mut response)?,
        }
        write_head(self.session, response, bodiless).await
    }

    /// The length is not known before the end.
    fn frame_by_arrival(&mut self, response: &mut ResponseHeader) -> Result<()> {
        match self.session.req_header().version {
            Version::HTTP_2 => Ok(()),
            Version::HTTP_11 => {
                response.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
            }
            // RFC 9112, 6.1: no transfer coding for a client that may not know it; the end of the connection is the end.
            _ => {
                self.session.set_keepalive(None);
                Ok(())
            }
        }
    }
}

async fn write_head(session: &mut ServerSession, response: ResponseHeader, end: bool) -> Result<()> {
    match session {
        ServerSession::H2(stream) => stream.write_response_header(Box::new(response), end),
        session => session.write_response_header(Box::new(response)).await,
    }
}

#[async_trait]
impl Sink for SessionSink<'_> {
    async fn head(&mut self, head: ReplyHead, bodiless: bool) -> Result<(), SendError> {
        // The next piece may be long in coming; what is there is to reach the client now.
        self.connection.write_through(true);
        self.write_head(&head, bodiless).await.map_err(|_| SendError::ClientGone)
    }

    async fn body(&mut self, piece: Bytes) -> Result<(), SendError> {
        self.session.write_response_body(piece, false).await.map_err(|_| SendError::ClientGone)
    }

    async fn finish(&mut self) -> Result<(), SendError> {
        self.session.finish_body().await.map_err(|_| SendError::ClientGone)
    }
}

/// Tells the client what went wrong. `last`: the connection is closed after it.
pub(super) async fn write_problem(
    session: &mut ServerSession,
    problem: Problem,
    status: &CacheStatus,
    last: bool,
) -> Result<()> {
    if last {
        session.set_keepalive(None);
    }
    let body = problem.body();
    let mut response = ResponseHeader::build_no_case(problem.status(), Some(ADDED))?;
    response.insert_header(CONTENT_TYPE_FIELD, HeaderValue::from_static(CONTENT_TYPE))?;
    response.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    // Caches behind must not keep it, least of all a 405 that only this address gives.
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
    response.insert_header(CACHE_STATUS, cache_status(status))?;
    if let Some(seconds) = problem.retry_after() {
        response.insert_header(RETRY_AFTER, HeaderValue::from(seconds))?;
    }
    if problem == Problem::Method {
        response.insert_header(ALLOW, HeaderValue::from_static(ALLOWED))?;
    }
    let bodiless = session.req_header().method == Method::HEAD;
    write_head(session, response, bodiless).await?;
    if !bodiless {
        session.write_response_body(body, true).await?;
    }
    session.finish_body().await
}

/// Ends a reply that was begun so that it cannot be taken for a whole one.
pub(super) fn cut(session: &mut ServerSession, connection: &Connection) {
    if let ServerSession::H2(stream) = session {
        stream.shutdown();
        return;
    }
    session.set_keepalive(None);
    // A length that is not reached or a last chunk that is missing tell the client by themselves.
    let by_close = session.response_written().is_some_and(|response| {
        !response.headers.contains_key(CONTENT_LENGTH) && !response.headers.contains_key(TRANSFER_ENCODING)
    });
    if by_close {
        connection.cut();
    }
}
