//! The registry client with several servers for a registry, and with directories that configure them.

#![expect(clippy::unwrap_used, reason = "the functions that set a scene are tests as well")]

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dray::oci::{Descriptor, Digest, MediaType, Reference};
use dray::ports::{BlobStream, FetchFailure, FetchFault, FetchReason, Registry as _};
use dray::registry::{
    CredentialSettings, PlainHttp, ProxySettings, RegistryClient, RegistrySettings, Timing,
};
use dray_tests::proxy::Proxy;
use dray_tests::scripted_registry::{Authority, BearerAuth, Rule, ScriptedRegistry, Security};
use futures_util::StreamExt as _;

const MANIFEST: &str = MediaType::OCI_MANIFEST;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A registry whose servers are all configured.
const REGISTRY: &str = "registry.example";

fn timing() -> Timing {
    Timing {
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_secs(2),
    }
}

/// Directories for registries, and the settings that name them.
struct Directories {
    root: Arc<tempfile::TempDir>,
    settings: RegistrySettings,
}

impl Directories {
    fn new() -> Self {
        let root = Arc::new(tempfile::tempdir().unwrap());
        let settings = RegistrySettings {
            credentials: CredentialSettings::default(),
            plain_http: PlainHttp::Loopback,
            hosts_dirs: vec![root.path().to_owned()],
            insecure: false,
            proxy: ProxySettings::default(),
            user_agent: "dray/0".to_owned(),
        };
        Self { root, settings }
    }

    /// A directory with this `hosts.toml` for [`REGISTRY`].
    fn with(toml: &str) -> Self {
        let directories = Self::new();
        directories.add(REGISTRY, "hosts.toml", toml);
        directories
    }

    fn add(&self, registry: &str, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let directory = self.root.path().join(registry);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), text).unwrap();
        directory.join(name)
    }

    fn copy(&self, registry: &str, name: &str, from: &Path) {
        self.add(registry, name, fs::read(from).unwrap());
    }

    fn client(&self) -> Client {
        self.client_with(timing())
    }

    fn client_with(&self, timing: Timing) -> Client {
        let client = RegistryClient::with_timing(self.settings.clone(), timing).unwrap();
        Client { client, _root: Arc::clone(&self.root) }
    }

    fn insecure(mut self) -> Self {
        self.settings.insecure = true;
        self
    }
}

/// A client. It keeps the directories, which are read on first use.
struct Client {
    client: RegistryClient,
    _root: Arc<tempfile::TempDir>,
}

impl Deref for Client {
    type Target = RegistryClient;

    fn deref(&self) -> &RegistryClient {
        &self.client
    }
}

/// An image of one layer.
struct Image {
    manifest: Digest,
    layer: Descriptor,
    bytes: Vec<u8>,
}

/// Puts the same image on a server.
fn fill(registry: &ScriptedRegistry, repository: &str) -> Image {
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = registry.add_blob(bytes.clone());
    let layer = Descriptor::new(MediaType::new(LAYER), digest, bytes.len() as u64);
    let document = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","layers":[]}}"#);
    let manifest = registry.add_manifest(repository, "1", MANIFEST, document.into_bytes());
    Image { manifest, layer, bytes }
}

fn server() -> (ScriptedRegistry, Image) {
    server_with(Security::Plain)
}

fn server_with(security: Security) -> (ScriptedRegistry, Image) {
    let registry = ScriptedRegistry::start_with(security);
    let image = fill(&registry, "team/app");
    (registry, image)
}

fn reference() -> Reference {
    Reference::parse(&format!("{REGISTRY}/team/app:1")).unwrap()
}

async fn resolve(client: &RegistryClient) -> Result<Digest, FetchFailure> {
    Ok(client.resolve(&reference()).await?.descriptor.digest)
}

/// The blob from `offset` on, until it ends or fails.
async fn read(client: &RegistryClient, blob: &Descriptor, offset: u64) -> (Vec<u8>, Option<FetchFailure>) {
    match client.fetch_unverified(&reference(), blob, offset).await {
        Ok(stream) => drain(stream).await,
        Err(failure) => (Vec::new(), Some(failure)),
    }
}

async fn drain(mut stream: BlobStream) -> (Vec<u8>, Option<FetchFailure>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(failure) => return (bytes, Some(failure)),
        }
    }
    (bytes, None)
}

fn causes(failure: &FetchFailure) -> Vec<String> {
    let first = std::error::Error::source(failure);
    std::iter::successors(first, |&cause| cause.source()).map(ToString::to_string).collect()
}

#[path = "registry_hosts/elsewhere.rs"]
mod elsewhere;
#[path = "registry_hosts/next.rs"]
mod next;
#[path = "registry_hosts/plain.rs"]
mod plain;
#[path = "registry_hosts/tls.rs"]
mod tls;
#[path = "registry_hosts/which.rs"]
mod which;
