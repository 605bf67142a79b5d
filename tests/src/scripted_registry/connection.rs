use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::answer::{self, Answer, End};
use super::{Recorded, State, lock};

/// Serves connections until it is dropped.
pub(super) async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    // Dropping the set ends every connection.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        lock(&state).connections += 1;
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(Some(End::Reset)) = serve(&mut stream, &state).await {
                // Without time to linger, closing sends a reset.
                let _ = stream.set_zero_linger();
            }
        });
    }
}

/// Answers requests until the client has no more, or until an answer ends the connection in its way.
async fn serve<S>(stream: &mut S, state: &Mutex<State>) -> io::Result<Option<End>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        let request = match read_request(stream, &mut buffer).await? {
            Read::Request(request) => request,
            Read::Nothing => return Ok(None),
            Read::NotHttp => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await?;
                return Ok(Some(End::Close));
            }
        };
        let (index, answer) = {
            let mut state = lock(state);
            let mut answer = answer::correct(&mut state, &request);
            for rule in &mut state.rules {
                rule.apply(&request, &mut answer);
            }
            state.requests.push(Recorded { status: answer.status, ..request.clone() });
            (state.requests.len() - 1, answer)
        };
        tokio::time::sleep(answer.delay).await;
        let mut sent = |bytes| lock(state).requests[index].bytes_sent += bytes;
        if let Some(end) = write_answer(stream, &request, &answer, &mut sent).await? {
            return Ok(Some(end));
        }
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

/// Sends an answer. Returns how the connection ends, unless it can be used again.
async fn write_answer<S>(
    stream: &mut S,
    request: &Recorded,
    answer: &Answer,
    sent: &mut impl FnMut(u64),
) -> io::Result<Option<End>>
where
    S: AsyncWrite + Unpin,
{
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    let mut until_close = true;
    for (name, value) in &answer.headers {
        let is_length = name.eq_ignore_ascii_case("content-length");
        if answer.chunked && is_length {
            continue;
        }
        until_close &= !is_length;
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
        return Ok(answer.end.map(|(_, end)| end));
    }

    let end = answer.end.map(|(after, end)| (after.min(answer.body.len()), end));
    let body = answer.body.slice(..end.map_or(answer.body.len(), |(after, _)| after));
    // Twenty pieces in a second are smooth enough.
    let piece = match answer.bytes_per_second {
        Some(rate) => usize::try_from(rate / 20).unwrap_or(usize::MAX).max(1),
        None => 64 * 1024,
    };
    for piece in body.chunks(piece) {
        if answer.chunked {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        stream.write_all(piece).await?;
        if answer.chunked {
            stream.write_all(b"\r\n").await?;
        }
        stream.flush().await?;
        sent(piece.len() as u64);
        if answer.bytes_per_second.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    match end {
        Some((_, End::Stall)) => std::future::pending().await,
        Some((_, End::Reset)) => {
            // A reset throws away what the client has not read yet, and it should see the bytes before.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Some(End::Reset))
        }
        Some((_, End::Close)) => Ok(Some(End::Close)),
        None => {
            if answer.chunked {
                stream.write_all(b"0\r\n\r\n").await?;
                stream.flush().await?;
            }
            Ok(until_close.then_some(End::Close))
        }
    }
}
