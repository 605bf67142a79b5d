//! Entry points for the fuzz targets: each passes bytes of a server, or of a file, to the parser that reads them.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{challenge, docker_config, failure, range, retry, token, warning};

/// Reads the challenges of an answer whose `WWW-Authenticate` fields are the lines of `fields`.
pub fn challenges(fields: &[u8]) {
    let headers = headers(&WWW_AUTHENTICATE, fields);
    let found = challenge::parse(&headers).len();
    assert!(found <= fields.len(), "{found} challenges in {} bytes", fields.len());
    assert!(found == 0 || challenge::unsupported(&headers).is_none());
    let _ = challenge::lacking_scope(&headers);
}

/// The wait that a `Retry-After` demands.
pub fn retry_after(field: &[u8]) -> Option<Duration> {
    // A fixed time makes findings repeatable.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    retry::retry_after(&headers(&RETRY_AFTER, field), now)
}

/// Where a `Content-Range` begins.
pub fn range_start(field: &[u8]) -> Option<u64> {
    range::range_start(&headers(&CONTENT_RANGE, field))
}

/// Takes the token from the answer of a token server.
pub fn token(body: &[u8]) {
    let _ = token::parse(body);
}

/// The message in the body of an error, and that of a `Warning` field.
pub fn words(text: &[u8]) -> [Option<String>; 2] {
    [failure::reason(text), warning::text_of(text)]
}

/// Looks up the credentials of a host in Docker's configuration.
pub fn docker_config(file: &[u8], host: &str) {
    docker_config::look_up(file, host);
}

fn headers(name: &HeaderName, fields: &[u8]) -> HeaderMap {
    let values = fields.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (name.clone(), value)).collect()
}
