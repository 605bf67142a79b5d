//! A proxy that resolves made-up names, and counts the bytes it passes on.
//!
//! It speaks HTTP and SOCKS 5 on one port. It passes on requests with an absolute URL, and opens tunnels for
//! `CONNECT` and SOCKS. Clients never use a proxy for loopback hosts, so tests give the registry a name that has no
//! address: see [`Proxy::route`].

mod socks;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::loopback::{Ending, Serve, Server};
use crate::scripted_registry::http_basic;

/// A proxy on a loopback port, which ends when it is dropped.
pub struct Proxy {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// A request to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Method, such as `CONNECT`. A SOCKS tunnel has `SOCKS`.
    pub method: String,
    /// The target: `host:port` of a tunnel, or an absolute URL.
    pub target: String,
    /// The proxy's own status. `None` if it passed the request on.
    pub status: Option<u16>,
}

#[derive(Default)]
struct State {
    routes: BTreeMap<String, String>,
    user: Option<(String, String)>,
    refusal: Option<Refusal>,
    passed: Vec<Passed>,
    bytes: u64,
}

#[derive(Clone, Copy)]
enum Refusal {
    Status(u16),
    Reset,
}

impl Proxy {
    /// Starts one that serves every client and target.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        Self { server: Server::start(Service(Arc::clone(&state))), state }
    }

    /// Its URL, as in an environment variable.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The same for SOCKS, with a scheme such as `socks5`.
    pub fn socks_url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.server.address())
    }

    /// Its URL with a user and a password.
    pub fn url_with(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}", self.server.address())
    }

    /// Routes `name`, which includes the port, to another address.
    pub fn route(&self, name: &str, address: &str) {
        lock(&self.state).routes.insert(name.to_owned(), address.to_owned());
    }

    /// Serves only this user, and answers 407 to others.
    pub fn require(&self, user: &str, password: &str) {
        lock(&self.state).user = Some((user.to_owned(), password.to_owned()));
    }

    /// Answers every request with this status.
    pub fn refuse(&self, status: u16) {
        lock(&self.state).refusal = Some(Refusal::Status(status));
    }

    /// Resets every connection after its first request.
    pub fn reset(&self) {
        lock(&self.state).refusal = Some(Refusal::Reset);
    }

    /// The requests so far, in the order of arrival.
    pub fn passed(&self) -> Vec<Passed> {
        lock(&self.state).passed.clone()
    }

    /// The number of bytes that came back from servers.
    pub fn bytes(&self) -> u64 {
        lock(&self.state).bytes
    }

    /// Stops listening and resets every connection.
    pub fn kill(&self) {
        self.server.kill();
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<State>>);

/// The head of a request.
struct Head {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Parses the head at the start of `buffer`, and returns it with its length once it is complete.
    fn parse(buffer: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(length) = request.parse(buffer).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let fields = request.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(Some((
            Self { method: text(request.method), target: text(request.path), fields: fields.collect() },
            length,
        )))
    }

    fn authorization(&self) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
        found.map(|(_, value)| value.as_slice())
    }

    /// Host with port, and the request for its server, as the last one of the connection.
    fn for_origin(&self) -> Option<(String, Vec<u8>)> {
        let rest = self.target.strip_prefix("http://")?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        let path = if path.is_empty() { "/" } else { path };
        let mut bytes = format!("{} {path} HTTP/1.1\r\nconnection: close\r\n", self.method).into_bytes();
        for (name, value) in &self.fields {
            let of_this_hop = ["connection", "proxy-connection", "proxy-authorization"];
            if !of_this_hop.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(b": ");
                bytes.extend_from_slice(value);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes.extend_from_slice(b"\r\n");
        Some((host, bytes))
    }
}

impl Serve for Service {
    async fn serve(&self, stream: &mut TcpStream) -> io::Result<Ending> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first == [socks::VERSION] {
            return self.serve_socks(stream).await;
        }
        let mut buffer = Vec::new();
        let (head, length) = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(Ending::Close);
            }
            if let Some(head) = Head::parse(&buffer)? {
                break head;
            }
        };
        let refusal = {
            let mut state = lock(&self.0);
            let wanted = state.user.as_ref().map(|(user, password)| http_basic(user, password));
            let wanted = wanted.as_ref().map(String::as_bytes);
            let stranger = wanted.is_some() && wanted != head.authorization();
            let refusal = state.refusal.or(stranger.then_some(Refusal::Status(407)));
            let status = match refusal {
                Some(Refusal::Status(status)) => Some(status),
                None if head.method == "CONNECT" => Some(200),
                Some(Refusal::Reset) | None => None,
            };
            state.passed.push(Passed { method: head.method.clone(), target: head.target.clone(), status });
            refusal
        };
        match refusal {
            Some(Refusal::Reset) => return Ok(Ending::Reset),
            Some(Refusal::Status(status)) => return answer(stream, status).await,
            None => {}
        }
        if head.method == "CONNECT" {
            let Some(mut server) = self.connect(&head.target).await else { return answer(stream, 502).await };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            server.write_all(&buffer[length..]).await?;
            return self.pass(stream, server).await;
        }
        let Some((host, request)) = head.for_origin() else { return answer(stream, 400).await };
        let Some(mut server) = self.connect(&host).await else { return answer(stream, 502).await };
        server.write_all(&request).await?;
        server.write_all(&buffer[length..]).await?;
        self.pass(stream, server).await
    }
}

impl Service {
    async fn serve_socks(&self, stream: &mut TcpStream) -> io::Result<Ending> {
        let user = lock(&self.0).user.clone();
        let request = socks::read(stream, user.is_some()).await?;
        let passed = Passed { method: "SOCKS".to_owned(), target: request.target.clone(), status: None };
        lock(&self.0).passed.push(passed);
        let server = if request.user == user { self.connect(&request.target).await } else { None };
        socks::answer(stream, server.is_some()).await?;
        match server {
            Some(server) => self.pass(stream, server).await,
            None => Ok(Ending::Close),
        }
    }

    async fn connect(&self, host: &str) -> Option<TcpStream> {
        let address = lock(&self.0).routes.get(host).cloned();
        TcpStream::connect(address.as_deref().unwrap_or(host)).await.ok()
    }

    /// Passes bytes on in both directions until the server has sent all. A reset is passed on as a reset.
    async fn pass(&self, client: &mut TcpStream, mut server: TcpStream) -> io::Result<Ending> {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let answers = async {
            let mut piece = vec![0; 64 * 1024];
            loop {
                match from_server.read(&mut piece).await {
                    Ok(0) => return Ok(Ending::Close),
                    Ok(length) => {
                        // Counted first, so that a client that has read them finds them counted.
                        lock(&self.0).bytes += length as u64;
                        to_client.write_all(&piece[..length]).await?;
                    }
                    Err(_) => return Ok(Ending::Reset),
                }
            }
        };
        let questions = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            let _ = to_server.shutdown().await;
            std::future::pending().await
        };
        tokio::select! {
            ending = answers => ending,
            never = questions => never,
        }
    }
}

async fn answer(stream: &mut TcpStream, status: u16) -> io::Result<Ending> {
    let challenge = if status == 407 { "proxy-authenticate: Basic realm=\"proxy\"\r\n" } else { "" };
    let head =
        format!("HTTP/1.1 {status} Proxy\r\n{challenge}content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(Ending::Close)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
