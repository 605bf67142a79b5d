use std::path::Path;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::proxy::Proxy;

/// The response to a request without a body, up to the end of the connection.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> std::io::Result<String> {
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    read.map(|_| text)
}

async fn plain(address: &str) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

const PING: &str = "GET /v2/ HTTP/1.1\r\nconnection: close";

/// TLS with trust in `authority`, and with the client certificate of `files`.
async fn secure(
    address: &str,
    authority: &Authority,
    client: Option<(&Path, &Path)>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.files().ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, plain(address).await).await
}

#[tokio::test]
async fn clients_that_know_the_authority_trust_its_certificate() {
    let (known, other) = (Authority::new(), Authority::new());
    let registry = ScriptedRegistry::start_with(known.tls());
    registry.require(BearerAuth::anonymous());
    let answer = ask(secure(&registry.address(), &known, None).await.unwrap(), PING).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains(&format!(r#"realm="https://{}/token""#, registry.address())), "{answer}");
    assert!(secure(&registry.address(), &other, None).await.is_err());

    let answer = ask(plain(&registry.address()).await, PING).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400") && answer.contains("HTTP request to an HTTPS server"));

    let elsewhere = ScriptedRegistry::start_with(known.tls_for(&["elsewhere.invalid"]));
    assert!(secure(&elsewhere.address(), &known, None).await.is_err());
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let registry = ScriptedRegistry::start_with(authority.mutual_tls());
    let TlsFiles { client_cert, client_key, client_both, .. } = authority.files();
    for client in [(client_cert, client_key), (client_both, client_both)] {
        let stream = secure(&registry.address(), &authority, Some((client.0, client.1))).await.unwrap();
        assert!(ask(stream, PING).await.unwrap().starts_with("HTTP/1.1 200"));
    }
    // With TLS 1.3 a client learns of a refusal only by reading.
    let stream = secure(&registry.address(), &authority, None).await.unwrap();
    let refused = ask(stream, PING).await.unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    assert_eq!(registry.requests().len(), 2);
}

#[tokio::test]
async fn a_silent_registry_never_answers() {
    let registry = ScriptedRegistry::start_with(Security::Silent);
    let answer = ask(plain(&registry.address()).await, PING);
    assert!(tokio::time::timeout(Duration::from_millis(100), answer).await.is_err());
}

#[tokio::test]
async fn bytes_are_counted_until_the_connection_is_reset() {
    let registry = ScriptedRegistry::start();
    let (small, large) = (registry.add_blob(vec![1; 100]), registry.add_blob(vec![2; 1000]));
    registry.reset_connections_after(600);
    let get = |digest: &Digest| format!("GET /v2/a/blobs/{digest} HTTP/1.1");
    let both = format!("{}\r\n\r\n{}", get(&small), get(&large));
    let error = ask(plain(&registry.address()).await, &both).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!((registry.bytes_of(&small), registry.bytes_of(&large), registry.bytes()), (100, 500, 600));
}

#[tokio::test]
async fn a_killed_registry_resets_all_connections() {
    let registry = ScriptedRegistry::start();
    let blob = registry.add_blob(vec![1; 1000]);
    registry.on(Rule::get(blob.as_str()).kill_after(10));
    let mut idle = plain(&registry.address()).await;
    let error = ask(plain(&registry.address()).await, &format!("GET /v2/a/blobs/{blob} HTTP/1.1")).await;
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(idle.read(&mut [0]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(TcpStream::connect(registry.address()).await.is_err());
    assert_eq!(registry.bytes_of(&blob), 10);

    let other = ScriptedRegistry::start();
    let mut idle = plain(&other.address()).await;
    // Accepted, and not only in the kernel's queue.
    while other.connections() == 0 {
        tokio::task::yield_now().await;
    }
    other.kill();
    assert_eq!(idle.read(&mut [0]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_proxy_leads_to_a_registry() {
    let registry = ScriptedRegistry::start();
    let proxy = Proxy::start();
    proxy.route("registry.invalid:80", &registry.address());
    let address = proxy.url().replace("http://", "");
    let get = "GET http://registry.invalid/v2/ HTTP/1.1";
    let answer = ask(plain(&address).await, get).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{}"), "{answer}");
    let tunnel = format!("CONNECT registry.invalid:80 HTTP/1.1\r\n\r\n{PING}");
    let answer = ask(plain(&address).await, &tunnel).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200"), "{answer}");
    assert_eq!(registry.requests().len(), 2);
    assert_eq!(proxy.passed()[1].target, "registry.invalid:80");
    assert!(proxy.bytes() > 0);

    proxy.require("ann", "pass");
    assert!(ask(plain(&address).await, get).await.unwrap().starts_with("HTTP/1.1 407"));
    let known = format!("{get}\r\nProxy-Authorization: {}", http_basic("ann", "pass"));
    assert!(ask(plain(&address).await, &known).await.unwrap().starts_with("HTTP/1.1 200"));
    proxy.refuse(403);
    assert!(ask(plain(&address).await, &known).await.unwrap().starts_with("HTTP/1.1 403"));
    proxy.reset();
    assert!(ask(plain(&address).await, &known).await.is_err());
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn blobs_are_held_and_counted() {
    let registry = ScriptedRegistry::start();
    let blob = registry.add_blob("0123456789");
    let request = format!("GET /v2/a/blobs/{blob} HTTP/1.1\r\nconnection: close");
    assert!(ask(plain(&registry.address()).await, &request).await.unwrap().ends_with("0123456789"));
    assert_eq!(registry.most_blobs_at_once(), 1);

    registry.on(Rule::get("/blobs/").nth(1).held_after(4));
    registry.on(Rule::get("/blobs/").nth(2).held_until_at_once(3));
    let address = registry.address();
    let ask_once = || async { ask(plain(&address).await, &request).await.unwrap() };
    let asking = async { tokio::join!(ask_once(), ask_once(), ask_once()) };
    let releasing = async {
        while registry.bytes_of(&blob) < 10 + 4 || registry.most_blobs_at_once() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        registry.release();
    };
    let (answers, ()) = tokio::join!(asking, releasing);
    for answer in [answers.0, answers.1, answers.2] {
        assert!(answer.ends_with("0123456789"), "{answer}");
    }
}
