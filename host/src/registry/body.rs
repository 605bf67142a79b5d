use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::transport::TransportError;

/// The body of an answer, as it comes.
pub(super) struct Body {
    response: reqwest::Response,
    stall: Duration,
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It has more bytes than it may have; how many, if the server said so.
    TooLong(Option<u64>),
    /// It broke off.
    Transport(TransportError),
}

impl Body {
    pub(super) fn new(response: reqwest::Response, stall: Duration) -> Self {
        Self { response, stall }
    }

    /// The next bytes, or `None` at the end. An end that comes earlier than announced is an error.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        match tokio::time::timeout(self.stall, self.response.chunk()).await {
            Ok(chunk) => Ok(chunk?),
            Err(_) => Err(TransportError::silent(self.stall)),
        }
    }

    /// All of the body, if that is at most `limit` bytes.
    pub(super) async fn read(mut self, limit: u64) -> Result<Bytes, BodyError> {
        let announced = self.response.content_length();
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong(announced));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.chunk().await.map_err(BodyError::Transport)? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(BodyError::TooLong(None));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// The beginning of the body, as far as it comes within a moment, whatever comes after it.
    pub(super) async fn read_beginning(mut self, limit: u64) -> Bytes {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + NOT_WORTH_WAITING;
        let mut bytes = BytesMut::new();
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, self.chunk()).await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 >= limit {
                bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                break;
            }
        }
        bytes.freeze()
    }
}
