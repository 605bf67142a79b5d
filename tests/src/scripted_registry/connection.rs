use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::{self, Answer, End, Hold};
use super::tls::Security;
use super::{Recorded, State, lock};
use crate::loopback::{Ending, Serve};

/// Serves the connections of a registry.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) security: Security,
    pub(super) state: Arc<Mutex<State>>,
}

impl Serve for Service {
    async fn serve(&self, stream: &mut TcpStream) -> io::Result<Ending> {
        lock(&self.state).connections += 1;
        match &self.security {
            Security::Plain => serve(stream, &self.state).await,
            Security::Silent => std::future::pending().await,
            Security::Tls(config) => {
                if !begins_tls(stream).await? {
                    refuse(stream, "Client sent an HTTP request to an HTTPS server.\n").await?;
                    return drain(stream).await;
                }
                let acceptor = TlsAcceptor::from(Arc::clone(config));
                let Ok(mut tls) = acceptor.accept(&mut *stream).await else {
                    return drain(stream).await;
                };
                let ending = serve(&mut tls, &self.state).await?;
                if ending == Ending::Close {
                    tls.shutdown().await?;
                }
                Ok(ending)
            }
        }
    }
}

async fn begins_tls(stream: &TcpStream) -> io::Result<bool> {
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

/// Reads the rest of the client's request. Closing with unread bytes would cause a reset, which can overtake the
/// response that states the reason.
async fn drain(stream: &mut TcpStream) -> io::Result<Ending> {
    const LONG_ENOUGH: Duration = Duration::from_secs(1);
    stream.shutdown().await?;
    let _ = tokio::time::timeout(LONG_ENOUGH, tokio::io::copy(stream, &mut tokio::io::sink())).await;
    Ok(Ending::Close)
}

async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> io::Result<Ending> {
    let head = "HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{text}").as_bytes()).await?;
    Ok(Ending::Close)
}

/// Answers requests until the client sends no more, or until a response ends the connection.
async fn serve<S>(stream: &mut S, state: &Mutex<State>) -> io::Result<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    let mut carried = 0;
    loop {
        let request = match read_request(stream, &mut buffer).await? {
            Read::Request(request) => request,
            Read::Nothing => return Ok(Ending::Close),
            Read::NotHttp => return refuse(stream, "").await,
        };
        let (index, answer) = {
            let mut state = lock(state);
            let mut answer = answer::correct(&mut state, &request);
            for rule in &mut state.rules {
                rule.apply(&request, &mut answer);
            }
            if request.header("connection") == Some("close") {
                answer.set("connection", "close");
            }
            if let Some(most) = state.resets_after
                && request.method != "HEAD"
            {
                let left = most.saturating_sub(carried);
                if answer.body.len() as u64 >= left {
                    answer.end.get_or_insert((usize::try_from(left).unwrap_or(usize::MAX), End::Reset));
                }
            }
            state.requests.push(Recorded { status: answer.status, ..request.clone() });
            (state.requests.len() - 1, answer)
        };
        if answer.is_left_out {
            return Ok(Ending::Close);
        }
        let mut under_way = UnderWay::of(state, &request);
        tokio::time::sleep(answer.delay).await;
        let mut left = answer.body.len() as u64;
        let mut sent = |bytes| {
            carried += bytes;
            left -= bytes;
            lock(state).requests[index].bytes_sent += bytes;
            if left == 0 {
                drop(under_way.take());
            }
        };
        if let Some(ending) = write_answer(stream, state, &request, &answer, &mut sent).await? {
            return Ok(ending);
        }
    }
}

/// A blob that is requested and not sent yet.
struct UnderWay<'a>(&'a Mutex<State>);

impl<'a> UnderWay<'a> {
    fn of(state: &'a Mutex<State>, request: &Recorded) -> Option<Self> {
        if request.method != "GET" || !request.path.contains("/blobs/") {
            return None;
        }
        let mut locked = lock(state);
        locked.open += 1;
        locked.most_open = locked.most_open.max(locked.open);
        Some(Self(state))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(self.0).open -= 1;
    }
}

async fn held(state: &Mutex<State>, hold: Hold) {
    // A test that waits for too many blobs must fail, not hang.
    const PATIENCE: Duration = Duration::from_secs(20);
    let since = Instant::now();
    loop {
        let over = match hold {
            Hold::Released => lock(state).released,
            Hold::BlobsAtOnce(blobs) => lock(state).most_open >= blobs || since.elapsed() >= PATIENCE,
        };
        if over {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

enum Read {
    Request(Recorded),
    Nothing,
    NotHttp,
}

async fn read_request<S>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<Read>
where
    S: AsyncRead + Unpin,
{
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut fields);
        match head.parse(buffer) {
            Err(_) => return Ok(Read::NotHttp),
            Ok(httparse::Status::Partial) => {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(Read::Nothing);
                }
            }
            Ok(httparse::Status::Complete(head_length)) => {
                let target = head.path.unwrap_or_default();
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let headers: Vec<(String, String)> = head
                    .headers
                    .iter()
                    .map(|field| {
                        let value = String::from_utf8_lossy(field.value).into_owned();
                        (field.name.to_ascii_lowercase(), value)
                    })
                    .collect();
                let mut request = Recorded {
                    method: head.method.unwrap_or_default().to_owned(),
                    path: path.to_owned(),
                    query: query.to_owned(),
                    headers,
                    body: Vec::new(),
                    status: 0,
                    bytes_sent: 0,
                };
                let length: usize =
                    request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                while buffer.len() < head_length + length {
                    if stream.read_buf(buffer).await? == 0 {
                        return Ok(Read::Nothing);
                    }
                }
                request.body = buffer[head_length..head_length + length].to_vec();
                buffer.drain(..head_length + length);
                return Ok(Read::Request(request));
            }
        }
    }
}

/// Sends a response. Returns how the connection ends, or `None` if it can be reused.
async fn write_answer<S>(
    stream: &mut S,
    state: &Mutex<State>,
    request: &Recorded,
    answer: &Answer,
    sent: &mut impl FnMut(u64),
) -> io::Result<Option<Ending>>
where
    S: AsyncWrite + Unpin,
{
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    let mut until_close = true;
    let mut last = false;
    for (name, value) in &answer.headers {
        let is_length = name.eq_ignore_ascii_case("content-length");
        if answer.chunked && is_length {
            continue;
        }
        until_close &= !is_length;
        last |= name.eq_ignore_ascii_case("connection") && value == "close";
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if answer.chunked {
        until_close = false;
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    if request.method == "HEAD" {
        return Ok(match answer.end {
            Some((_, End::Reset)) => Some(Ending::Reset),
            Some((_, End::Cut)) => Some(Ending::Cut),
            Some(_) => Some(Ending::Close),
            None => last.then_some(Ending::Close),
        });
    }

    let end = answer.end.map(|(after, end)| (after.min(answer.body.len()), end));
    let body = answer.body.slice(..end.map_or(answer.body.len(), |(after, _)| after));
    // Twenty pieces per second are smooth enough.
    let piece = match answer.bytes_per_second {
        Some(rate) => usize::try_from(rate / 20).unwrap_or(usize::MAX).max(1),
        None => 64 * 1024,
    };
    let (before, behind) = body.split_at(answer.hold.map_or(0, |(after, _)| after.min(body.len())));
    let mut left = body.len();
    for piece in before.chunks(piece).chain(behind.chunks(piece)) {
        if let Some((after, hold)) = answer.hold
            && body.len() - left == after
        {
            held(state, hold).await;
        }
        left -= piece.len();
        // A client that has read a whole body must find it counted. Other pieces are counted after they are sent.
        let completes = left == 0 && end.is_none();
        if completes {
            sent(piece.len() as u64);
        }
        if answer.chunked {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        stream.write_all(piece).await?;
        if answer.chunked {
            stream.write_all(b"\r\n").await?;
        }
        stream.flush().await?;
        if !completes {
            sent(piece.len() as u64);
        }
        if answer.bytes_per_second.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    if let Some((_, end)) = end {
        return Ok(Some(ended(end).await));
    }
    if answer.chunked {
        stream.write_all(b"0\r\n\r\n").await?;
        stream.flush().await?;
    }
    Ok((until_close || last).then_some(Ending::Close))
}

async fn ended(end: End) -> Ending {
    match end {
        End::Stall => std::future::pending().await,
        End::Close => Ending::Close,
        End::Cut => Ending::Cut,
        End::Reset => Ending::Reset,
        End::Kill => Ending::Kill,
    }
}
