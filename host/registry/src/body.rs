use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::coding::Gunzip;
use super::transport::error::TransportError;

/// The body of an answer, as it comes.
pub(super) struct Body {
    response: reqwest::Response,
    /// What the server has compressed it with.
    gunzip: Option<Gunzip>,
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
    pub(super) fn new(response: reqwest::Response, gunzip: Option<Gunzip>, stall: Duration) -> Self {
        Self { response, gunzip, stall }
    }

    /// The next bytes, or `None` at the end. An end that comes earlier than announced is an error.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            if let Some(gunzip) = &mut self.gunzip
                && let Some(bytes) = gunzip.output().map_err(TransportError::broken)?
            {
                return Ok(Some(bytes));
            }
            let sent = match tokio::time::timeout(self.stall, self.response.chunk()).await {
                Ok(sent) => sent?,
                Err(_) => return Err(TransportError::silent(self.stall)),
            };
            match (sent, &mut self.gunzip) {
                (Some(sent), Some(gunzip)) => gunzip.input(sent),
                (None, Some(gunzip)) => {
                    let last = gunzip.end().map_err(TransportError::broken)?;
                    self.gunzip = None;
                    if !last.is_empty() {
                        return Ok(Some(last));
                    }
                    return Ok(None);
                }
                (sent, None) => return Ok(sent),
            }
        }
    }

    /// All of the body, if that is at most `limit` bytes.
    pub(super) async fn read(self, limit: u64) -> Result<Bytes, BodyError> {
        self.read_if(limit, |_| false).await
    }

    /// The same. Where the body breaks off, `is_all` says whether what has come is all of it.
    ///
    /// Without a length only the end of the connection says so, which is why TLS has an end of its own. Many servers
    /// leave that out.
    pub(super) async fn read_if(
        mut self,
        limit: u64,
        is_all: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Bytes, BodyError> {
        let announced = self.response.content_length().filter(|_| self.gunzip.is_none());
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong(announced));
        }
        let mut bytes = BytesMut::new();
        loop {
            match self.chunk().await {
                Ok(Some(chunk)) if (bytes.len() + chunk.len()) as u64 > limit => {
                    return Err(BodyError::TooLong(None));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(bytes.freeze()),
                Err(_) if is_all(&bytes) => return Ok(bytes.freeze()),
                Err(error) => return Err(BodyError::Transport(error)),
            }
        }
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
