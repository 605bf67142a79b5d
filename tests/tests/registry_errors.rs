//! Every way in which a registry can make a pull fail, as the user reads it, in one list.
//!
//! Each entry is a whole run of `dray pull` with its own containerd and registry. New errors belong into the list.

#![expect(clippy::unwrap_used, reason = "the functions that set a scene are part of the test")]

use std::fmt::Write as _;
use std::net::TcpListener;

use dray_tests::command::{Dray, digest_filter, filters};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::proxy::Proxy;
use dray_tests::scripted_registry::{Auth, Authority, BearerAuth, Rule, ScriptedRegistry, Security};
use dray_tests::state::State;
use dray_tests::{require, tools};

/// The name of a registry that needs TLS. It is reached through a proxy, because dray is less strict with loopback
/// addresses.
const NAMED: &str = "registry.invalid";

fn image() -> Image {
    let content: Vec<u8> = (0..30_000_u32).flat_map(u32::to_le_bytes).collect();
    let layer = Layer::builder().entry(Entry::file("file", content)).build(Compression::None);
    Image::builder("linux/amd64").layer(layer).build()
}

/// An entry under construction.
struct Case {
    registry: ScriptedRegistry,
    image: Image,
    dray: Dray,
    reference: String,
    arguments: Vec<String>,
    proxy: Option<Proxy>,
    authority: Option<Authority>,
}

impl Case {
    fn new(daemon: &Containerd, namespace: &str, security: Security) -> Self {
        let registry = ScriptedRegistry::start_with(security);
        let image = image();
        registry.add(&image, "team/app", "1");
        let helpers = concat!(env!("CARGO_MANIFEST_DIR"), "/credential-helpers");
        let dray = Dray::with(daemon, namespace)
            .replace(&registry.address(), "[REGISTRY]")
            .env("PATH", format!("{helpers}:{}", tools::SEARCH_PATH));
        let reference = registry.image("team/app:1");
        Self { registry, image, dray, reference, arguments: Vec::new(), proxy: None, authority: None }
    }

    fn on(&self, rule: Rule) {
        self.registry.on(rule);
    }

    fn layer(&self) -> String {
        format!("/blobs/{}", self.image.layers[0].digest)
    }

    fn refers_to(&mut self, name: &str) {
        name.clone_into(&mut self.reference);
    }

    /// Writes the `hosts.toml` of the registry.
    fn hosts(&mut self, toml: &str) {
        let folder = self.dray.directory().join("certs.d");
        let own = folder.join(self.registry.address());
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("hosts.toml"), toml).unwrap();
        self.arguments.extend(["--hosts-dir".to_owned(), folder.display().to_string()]);
    }

    fn env(&mut self, key: &str, value: &str) {
        self.dray = std::mem::take(&mut self.dray).env(key, value);
    }

    fn shows(&mut self, text: &str, name: &str) {
        self.dray = std::mem::take(&mut self.dray).replace(text, name);
    }

    /// Writes Docker's configuration. `HOST` stands for the registry.
    fn config(&self, json: &str) {
        let folder = self.dray.directory().join("home/.docker");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), json.replace("HOST", &self.registry.address())).unwrap();
    }

    /// Makes the registry reachable by name, through a proxy.
    fn by_name(&mut self) -> &Proxy {
        let proxy = Proxy::start();
        proxy.route(&format!("{NAMED}:443"), &self.registry.address());
        self.env("HTTPS_PROXY", &proxy.url());
        self.shows(&proxy.url().replace("http://", ""), "[PROXY]");
        self.reference = format!("{NAMED}/team/app:1");
        self.proxy.insert(proxy)
    }

    /// Makes the system trust an authority.
    fn trusts(&mut self, authority: &Authority) {
        self.env("SSL_CERT_FILE", authority.files().ca.to_str().unwrap());
    }
}

struct List {
    daemon: Containerd,
    text: String,
    cases: usize,
    /// Entries without a sentence and a hint, and entries that left something behind.
    faults: String,
}

impl List {
    fn add(&mut self, title: &str, arrange: impl FnOnce(&mut Case)) {
        self.add_with(title, Security::Plain, arrange);
    }

    /// The same with a registry that speaks TLS and is reached by name.
    fn add_secure(&mut self, title: &str, security: impl FnOnce(&Authority) -> Security, trusted: bool) {
        let authority = Authority::new();
        self.add_with(title, security(&authority), |case| {
            case.by_name();
            if trusted {
                case.trusts(&authority);
            } else {
                let other = Authority::new();
                case.trusts(&other);
                case.authority = Some(other);
            }
        });
    }

    fn add_with(&mut self, title: &str, security: Security, arrange: impl FnOnce(&mut Case)) {
        self.cases += 1;
        // Each entry has its own namespace, so that it does not find the interrupted download of another one.
        let namespace = format!("case-{}", self.cases);
        let mut case = Case::new(&self.daemon, &namespace, security);
        arrange(&mut case);
        // The machine's directories are ignored, unless an entry is about them.
        let mut arguments = vec!["pull", "-q", "--hosts-dir", ""];
        arguments.extend(case.arguments.iter().map(String::as_str));
        arguments.push(&case.reference);
        let run = case.dray.run(arguments);
        let shown = run.to_string();
        let (status, told) = shown.split_once("\n--- stdout\n--- stderr\n").unwrap_or((&shown, ""));
        let lines: Vec<&str> = told.lines().collect();
        let first = lines.first().is_some_and(|line| line.starts_with("error: "));
        let last = lines.last().is_some_and(|line| line.starts_with("hint: "));
        let sentence = first && last && lines.iter().all(|line| !line.ends_with('.'));
        let state = State::of(&self.daemon, &namespace);
        let nothing_left = state.images.is_empty() && state.leases.is_empty() && state.snapshots.is_empty();
        if run.status.success() || !sentence || !nothing_left {
            write!(self.faults, "# {title}\n{run}\n{state}\n").unwrap();
        }
        write!(self.text, "# {title} ({})\n{told}\n", status.replace("exit code:", "exit status")).unwrap();
    }
}

#[test]
fn the_list() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let mut list = List { daemon, text: String::new(), cases: 0, faults: String::new() };
    reaching(&mut list);
    secure(&mut list);
    hosts_files(&mut list);
    through_proxies(&mut list);
    access(&mut list);
    answers(&mut list);
    content(&mut list);
    redirects(&mut list);

    let mut filters = filters();
    filters.push(digest_filter());
    filters.push((r"information: .*", "information: [REASON]"));
    insta::with_settings!({ filters => filters, omit_expression => true }, {
        insta::assert_snapshot!(list.text);
    });
    assert_eq!(list.faults, "");
}

fn reaching(list: &mut List) {
    list.add("a host that does not exist", |case| case.refers_to("nowhere.invalid/team/app:1"));
    list.add("a port that no host has", |case| {
        case.refers_to("registry.invalid:99999/team/app:1");
    });
    list.add("a refused connection", |case| case.registry.kill());
    list.add("the connection is reset", |case| {
        case.on(Rule::head("/manifests/").status(405));
        case.on(Rule::get("/manifests/").reset_after(0));
    });
    list.add("the connection is reset in every layer", |case| {
        case.on(Rule::get(&case.layer()).reset_after(0));
    });
    list.add("the registry dies in a layer", |case| case.on(Rule::get(&case.layer()).kill_after(1000)));
    list.add("an answer that is not HTTP", |case| {
        case.on(Rule::any("/manifests/").header("bad header", "x"));
    });
}

fn secure(list: &mut List) {
    list.add_secure("an untrusted certificate", Authority::tls, false);
    list.add_secure(
        "a certificate for another name",
        |authority| authority.tls_for(&["other.invalid"]),
        true,
    );
    list.add_secure("a server that requires a client certificate", Authority::mutual_tls, true);
    list.add_secure("plain HTTP where HTTPS is expected", |_| Security::Plain, true);
}

fn hosts_files(list: &mut List) {
    list.add("a hosts.toml that is not TOML", |case| case.hosts("server = "));
    list.add("a hosts.toml with an unknown capability", |case| {
        case.hosts("[host.\"https://mirror.invalid\"]\ncapabilities = [\"pul\"]\n");
    });
    list.add("a missing certificate file", |case| {
        let address = case.registry.address();
        case.hosts(&format!("server = \"https://{address}\"\nca = \"missing.crt\"\n"));
    });
    list.add("a certificate file without a certificate", |case| {
        let address = case.registry.address();
        case.hosts(&format!("server = \"https://{address}\"\nca = \"hosts.toml\"\n"));
    });
    list.add("a mirror that does not exist, and a registry without the tag", |case| {
        case.hosts("[host.\"https://mirror.invalid\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
        case.reference = case.registry.image("team/app:2");
    });
    list.add("no server with the needed capabilities", |case| {
        let address = case.registry.address();
        case.hosts(&format!("server = \"http://{address}\"\ncapabilities = [\"push\"]\n"));
    });
}

fn through_proxies(list: &mut List) {
    list.add("a proxy that refuses", |case| case.by_name().refuse(403));
    list.add("a proxy that requires a password", |case| case.by_name().require("ann", "sesame"));
    list.add("a proxy that resets connections", |case| case.by_name().reset());
    list.add("a proxy that is down", |case| case.by_name().kill());
    list.add("a proxy that cannot reach the registry", |case| {
        case.by_name();
        case.registry.kill();
    });
    list.add("a proxy that requires a password for plain HTTP", |case| {
        case.by_name().require("ann", "sesame");
        let proxy = case.proxy.as_ref().unwrap().url();
        case.env("HTTP_PROXY", &proxy);
        case.arguments.push("--plain-http".to_owned());
    });
    list.add("a proxy without an address", |case| case.env("HTTPS_PROXY", "http://ann:sesame@["));
}

fn access(list: &mut List) {
    const USER: &str = r#"{"auths":{"HOST":{"auth":"YW5uOnNlc2FtZQ=="}}}"#;
    let private = || BearerAuth::password("ann", "other");
    list.add("no credentials", |case| case.registry.require(private()));
    list.add("wrong credentials", |case| {
        case.registry.require(private());
        case.config(USER);
    });
    list.add("no credentials, with Basic", |case| case.registry.require(Auth::basic("ann", "other")));
    list.add("wrong credentials, with Basic", |case| {
        case.registry.require(Auth::basic("ann", "other"));
        case.config(USER);
    });
    list.add("wrong credentials of a helper", |case| {
        case.registry.require(private());
        case.config(r#"{"credsStore":"keeper"}"#);
    });
    list.add("an unsupported authentication scheme", |case| {
        case.on(Rule::any("/v2/")
            .error(401, "UNAUTHORIZED", "who are you")
            .header("www-authenticate", "Negotiate"));
    });
    list.add("a token with too few rights", |case| {
        let realm = format!("http://{}/token", case.registry.address());
        let challenge =
            format!(r#"Bearer realm="{realm}",scope="repository:team/app:pull",error="insufficient_scope""#);
        case.registry.require(BearerAuth::anonymous());
        case.on(Rule::any("/v2/")
            .error(401, "DENIED", "access is denied")
            .header("www-authenticate", challenge));
    });
    list.add("forbidden", |case| case.on(Rule::any("/v2/").error(403, "DENIED", "ask your administrator")));
    list.add("a credential helper that is not installed", |case| {
        case.registry.require(private());
        case.config(r#"{"credsStore":"absent"}"#);
    });
    list.add("a credential helper that fails", |case| {
        case.registry.require(private());
        case.config(r#"{"credsStore":"failing"}"#);
    });
    list.add("a credential helper that answers nonsense", |case| {
        case.registry.require(private());
        case.config(r#"{"credsStore":"garbled"}"#);
    });
    list.add("a docker configuration file that cannot be read", |case| {
        case.registry.require(private());
        case.config("{");
    });
    list.add("an entry of it that cannot be read", |case| {
        case.registry.require(private());
        case.config(r#"{"auths":{"HOST":{"auth":"sesame"}}}"#);
    });
    list.add("a token server that refuses", |case| {
        case.registry.require(BearerAuth::anonymous());
        case.on(Rule::any("/token").error(403, "DENIED", "not from this network"));
    });
    list.add("a token server that is down", |case| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        case.registry.require(BearerAuth::anonymous().realm(format!("http://{closed}/token")));
    });
    list.add("a token server that fails", |case| {
        case.registry.require(BearerAuth::anonymous());
        case.on(Rule::any("/token").status(500).header("content-type", "text/html").body("<h1>Error</h1>"));
    });
    list.add("a token server that sends no token", |case| {
        case.registry.require(BearerAuth::anonymous());
        case.on(Rule::any("/token").body("{}"));
    });
    list.add("a token server without TLS elsewhere", |case| {
        case.registry.require(BearerAuth::anonymous().realm("http://tokens.example/token"));
    });
}

fn answers(list: &mut List) {
    list.add("no such repository", |case| {
        case.on(Rule::any("/manifests/").error(404, "NAME_UNKNOWN", "repository name not known to registry"));
    });
    list.add("no such tag", |case| case.reference = case.registry.image("team/app:2"));
    list.add("no such blob", |case| {
        case.on(Rule::get(&case.layer()).error(404, "BLOB_UNKNOWN", "blob unknown to registry"));
    });
    list.add("too many requests, with a time", |case| {
        let rule = Rule::any("/v2/").error(429, "TOOMANYREQUESTS", "you have reached your pull rate limit");
        case.on(rule.header("retry-after", "3600"));
    });
    list.add("too many requests, without a time", |case| {
        case.on(Rule::any("/v2/").error(429, "TOOMANYREQUESTS", "you have reached your pull rate limit"));
    });
    list.add("unavailable", |case| case.on(Rule::any("/v2/").error(503, "UNAVAILABLE", "maintenance")));
    list.add("an internal error as a web page", |case| {
        let page = "<html><title>500</title><h1>Internal Server Error</h1></html>";
        case.on(Rule::any("/v2/").status(500).header("content-type", "text/html").body(page));
    });
    list.add("an unexpected status", |case| case.on(Rule::any("/v2/").status(418)));
    list.add("another range than requested", |case| {
        case.on(Rule::get(&case.layer()).nth(1).short_body(1000));
        case.on(Rule::get(&case.layer()).header("content-range", "bytes 5-9/10"));
    });
}

fn content(list: &mut List) {
    list.add("wrong bytes in a layer", |case| case.on(Rule::get(&case.layer()).wrong_bytes()));
    list.add("wrong bytes in the manifest", |case| {
        case.on(Rule::head("/manifests/").status(405));
        case.on(Rule::get("/manifests/").wrong_bytes());
    });
    list.add("a layer that is too short", |case| {
        case.on(Rule::get(&case.layer()).ignore_range().body("short").chunked());
    });
    list.add("a layer that is too long", |case| {
        let mut long = case.image.layers[0].bytes.to_vec();
        long.push(0);
        case.on(Rule::get(&case.layer()).body(long));
    });
    list.add("a web page in place of a manifest", |case| {
        let page = "<html><h1>Welcome</h1></html>";
        case.on(Rule::any("/manifests/")
            .header("content-type", "text/html")
            .body(page)
            .without_header("docker-content-digest"));
    });
    list.add("no content type", |case| {
        case.on(Rule::any("/manifests/")
            .without_header("content-type")
            .body("{}")
            .without_header("docker-content-digest"));
    });
    list.add("schema 1", |case| {
        let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        case.registry.add_manifest("team/app", "1", media_type, r#"{"schemaVersion":1}"#);
    });
    list.add("a manifest that is too large", |case| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        case.registry.add_manifest("team/app", "1", media_type, vec![b' '; 5 << 20]);
    });
    list.add("a manifest that is not JSON", |case| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        case.registry.add_manifest("team/app", "1", media_type, "{");
    });
}

fn redirects(list: &mut List) {
    list.add("circular redirects", |case| case.on(Rule::get(&case.layer()).redirect(case.layer())));
    list.add("a redirect to nowhere", |case| case.on(Rule::get(&case.layer()).status(307)));
    list.add("a redirect to a server that refuses", |case| {
        let storage = ScriptedRegistry::start();
        case.on(Rule::get(&case.layer()).redirect(format!("http://{}/x", storage.address())));
        storage.kill();
    });
    let authority = Authority::new();
    list.add_with("a redirect from HTTPS to HTTP", authority.tls(), |case| {
        case.by_name();
        case.trusts(&authority);
        case.on(Rule::get(&case.layer()).redirect("http://storage.invalid/x"));
    });
}
