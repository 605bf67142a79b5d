//! The registry client with a registry whose responses are scripted.

#![expect(clippy::unwrap_used, reason = "the functions that set a scene are tests as well")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dray::limits;
use dray::oci::{Algorithm, Descriptor, Digest, MediaType, Reference};
use dray::ports::{BlobStream, CredentialOrigin, FetchFailure, FetchFault, FetchReason, Registry as _};
use dray::registry::{
    CredentialSettings, PlainHttp, ProxySettings, RegistryClient, RegistrySettings, Timing,
};
use dray_tests::scripted_registry::{Auth, BearerAuth, Rule, ScriptedRegistry};
use futures_util::StreamExt as _;

const MANIFEST: &str = MediaType::OCI_MANIFEST;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const USER_CONFIG: &str = r#"{"auths":{"HOST":{"auth":"dXNlcjpwYXNz"}}}"#;

fn settings() -> RegistrySettings {
    RegistrySettings {
        credentials: CredentialSettings::default(),
        plain_http: PlainHttp::Loopback,
        hosts_dirs: Vec::new(),
        insecure: false,
        proxy: ProxySettings::default(),
        user_agent: "dray/0".to_owned(),
    }
}

fn timing() -> Timing {
    Timing {
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_secs(2),
    }
}

fn client_with(settings: RegistrySettings) -> RegistryClient {
    RegistryClient::with_timing(settings, timing()).unwrap()
}

/// Scripts that play credential helpers.
fn helpers() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("credential-helpers")
}

/// A client with a docker configuration file, in which `HOST` stands for the registry.
struct Configured {
    client: RegistryClient,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn client_with_config(registry: &ScriptedRegistry, json: &str) -> Configured {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, json.replace("HOST", &registry.address())).unwrap();
    let credentials = CredentialSettings {
        docker_config: Some(path.clone()),
        helper_folders: vec![helpers()],
        ..CredentialSettings::default()
    };
    let client = client_with(RegistrySettings { credentials, ..settings() });
    Configured { client, path, _directory: directory }
}

/// A registry with one image of one layer, and a client for it.
struct Scene {
    registry: ScriptedRegistry,
    client: RegistryClient,
    reference: Reference,
    manifest: Digest,
    layer: Descriptor,
    layer_bytes: Vec<u8>,
}

fn scene() -> Scene {
    let registry = ScriptedRegistry::start();
    let layer_bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = registry.add_blob(layer_bytes.clone());
    let layer = Descriptor::new(MediaType::new(LAYER), digest, layer_bytes.len() as u64);
    let manifest = registry.add_manifest("team/app", "1", MANIFEST, manifest_bytes());
    let reference = Reference::parse(&registry.image("team/app:1")).unwrap();
    Scene { client: client_with(settings()), registry, reference, manifest, layer, layer_bytes }
}

fn manifest_bytes() -> Vec<u8> {
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","layers":[]}}"#).into_bytes()
}

impl Scene {
    async fn digest(&self) -> Result<Digest, FetchFailure> {
        Ok(self.client.resolve(&self.reference).await?.descriptor.digest)
    }

    /// The layer from `offset` on, until it ends or fails.
    async fn read(&self, offset: u64) -> (Vec<u8>, Option<FetchFailure>) {
        match self.client.fetch_unverified(&self.reference, &self.layer, offset).await {
            Ok(stream) => drain(stream).await,
            Err(failure) => (Vec::new(), Some(failure)),
        }
    }

    fn host(&self) -> String {
        self.registry.address()
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

/// The whole text of a failure that a user could see.
fn everything(failure: &FetchFailure) -> String {
    let mut text = format!("{failure:?} {failure}");
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        let _ = write!(text, " {error} {error:?}");
        cause = error.source();
    }
    text
}

#[path = "registry_port/authentication.rs"]
mod authentication;
#[path = "registry_port/blobs.rs"]
mod blobs;
#[path = "registry_port/challenges.rs"]
mod challenges;
#[path = "registry_port/changes.rs"]
mod changes;
#[path = "registry_port/hidden.rs"]
mod hidden;
#[path = "registry_port/manifests.rs"]
mod manifests;
#[path = "registry_port/proxies.rs"]
mod proxies;
#[path = "registry_port/redirected.rs"]
mod redirected;
#[path = "registry_port/tokens.rs"]
mod tokens;
#[path = "registry_port/transport.rs"]
mod transport;
