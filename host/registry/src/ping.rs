use http::header::ACCEPT;
use http::{HeaderValue, Method};

use super::call::{Call, Patience, Role};
use super::challenge::{self, Challenge};
use super::hosts::{HostEndpoint, Scheme};
use super::server::Server;
use dray_ports::FetchFailure;

/// The result of asking a server whether it speaks the API of registries.
#[derive(Debug)]
pub struct Ping {
    /// The server.
    pub endpoint: HostEndpoint,
    /// Its answer, or why there is none.
    pub answer: Result<Pong, FetchFailure>,
}

/// An answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The scheme that worked.
    pub scheme: Scheme,
    /// The status of the response.
    pub status: u16,
    /// The authentication schemes it asks for, such as `Basic` or `Bearer https://auth.example/token`.
    pub challenges: Vec<String>,
}

impl Pong {
    /// Whether a registry answers like this. A demand for credentials counts.
    pub fn is_of_registry(&self) -> bool {
        matches!(self.status, 200 | 401)
    }
}

/// Asks a server once, without credentials.
pub(super) async fn ping(server: &Server) -> Ping {
    Ping { endpoint: server.settings().clone(), answer: ask(server).await }
}

async fn ask(server: &Server) -> Result<Pong, FetchFailure> {
    let mut call = Call::new(Role::Registry, Method::GET, server.endpoint().root()?);
    call.patience = Patience::Hurried;
    call.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
    let response = server.exchange().send(&call).await?;
    let name = |challenge: &Challenge| match challenge {
        Challenge::Basic => "Basic".to_owned(),
        Challenge::Bearer(bearer) => format!("Bearer {}", bearer.realm),
    };
    let challenges = challenge::parse(response.headers()).iter().map(name).collect();
    let pong = Pong { scheme: server.endpoint().scheme(), status: response.status().as_u16(), challenges };
    response.discard().await;
    Ok(pong)
}
