use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::coding::Gunzip;
use super::transport::error::TransportError;

/// The body of a response, read in pieces.
pub(super) struct Body {
    response: reqwest::Response,
    /// Undoes the compression of the server, if any.
    gunzip: Option<Gunzip>,
    stall: Duration,
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The body is longer than allowed. The length, if the server stated it.
    TooLong(Option<u64>),
    /// The connection broke off.
    Transport(TransportError),
}

impl Body {
    pub(super) fn new(response: reqwest::Response, gunzip: Option<Gunzip>, stall: Duration) -> Self {
        Self { response, gunzip, stall }
    }

    /// The next bytes, or `None` at the end. An end before the announced length is an error.
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

    /// The whole body, if it has at most `limit` bytes.
    pub(super) async fn read(self, limit: u64) -> Result<Bytes, BodyError> {
        self.read_if(limit, |_| false).await
    }

    /// The same. If the connection breaks off, `is_all` says whether the bytes so far are the whole body.
    ///
    /// Without a stated length only the end of the connection marks the end of the body. TLS has a message for that,
    /// which many servers leave out.
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

    /// The beginning of the body, as much as arrives within a moment.
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
