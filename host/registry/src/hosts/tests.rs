use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::PlainHttp;
use dray_core::limits;
use dray_ports::FetchReason;

const ALL: &str = "pull resolve push referrers";

fn parse(text: &str) -> Result<HostsFile, HostsFileError> {
    parse_hosts_file(text.as_bytes(), Path::new("/d"))
}

/// A directory tree `root/name/file` with these contents.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !text.is_empty() || path.extension().is_some() {
            fs::write(path, text).unwrap();
        }
    }
    directory
}

fn settings(tree: &tempfile::TempDir, roots: &[&str]) -> HostsSettings {
    let directories = roots.iter().map(|root| tree.path().join(root)).collect();
    HostsSettings { directories, ..HostsSettings::default() }
}

/// Endpoints in short form: only the parts that differ from the defaults.
fn short(endpoints: &[HostEndpoint]) -> Vec<String> {
    let one = |endpoint: &HostEndpoint| {
        let HostEndpoint { scheme, host, path, .. } = endpoint;
        let mut text = format!("{scheme}://{host}{path}");
        let capabilities: Vec<&str> = endpoint.capabilities.iter().map(Capability::as_str).collect();
        if capabilities.join(" ") != ALL {
            let _ = write!(text, " [{}]", capabilities.join(" "));
        }
        for (is_so, word) in [
            (endpoint.skip_verify, " unverified"),
            (endpoint.http_fallback, " or-http"),
            (endpoint.override_path, " as-is"),
        ] {
            text.push_str(if is_so { word } else { "" });
        }
        for file in &endpoint.ca {
            let _ = write!(text, " ca={}", file.display());
        }
        for ClientPair { certificate, key } in &endpoint.client {
            let key = key.as_ref().map(|key| format!("+{}", key.display())).unwrap_or_default();
            let _ = write!(text, " client={}{key}", certificate.display());
        }
        for (name, values) in endpoint.headers.iter() {
            let _ = write!(text, " {name}={}", values.join("|"));
        }
        if let Some(timeout) = endpoint.dial_timeout {
            let _ = write!(text, " dial={}", timeout.as_secs_f32());
        }
        text
    };
    endpoints.iter().map(one).collect()
}

fn endpoints(host: &str, settings: &HostsSettings) -> Vec<String> {
    short(&host_endpoints(host, settings).unwrap())
}

/// The endpoints of `registry.example` with this `hosts.toml`. `/d` stands for the directory of the file.
fn with_file(text: &str) -> Vec<String> {
    let HostsFile { mirrors, server, .. } = parse(text).unwrap();
    let loaded = directory::RegistryDirectory { mirrors, server, ..directory::RegistryDirectory::default() };
    short(&list::in_order("registry.example", loaded, &HostsSettings::default()))
}

/// Every key, each kind of value, and ignored values: the cases of containerd's own test.
#[test]
fn reads_every_key_as_containerd_does() {
    let found = with_file(
        r#"
server = "https://upstream.example"
ca = "/etc/pki/upstream"
[header]
  x-one = "single value"

[host."https://first.example"]
  capabilities = ["pull"]
  ca = "/etc/certs/first.pem"
  skip_verify = false
  [host."https://first.example".header]
    x-two = ["a", "b"]

[host."https://second.example/us"]
  capabilities = ["PULL"]
  skip_verify = true

[host."http://first.example"]
  capabilities = ["pull"]

[host."https://third.example"]
  capabilities = ["pull", "resolve", "push", "referrers"]
  ca = ["/etc/certs/a.pem", "b.pem", "../c.pem"]
  client = [["/etc/certs/x.cert", "x.key"], ["/etc/certs/both.pem", ""], "/etc/certs/one.pem"]

[host."https://fourth.example"]
  client = "one.pem"

[host."https://fifth.example"]
  capabilities = ["pull", "resolve", "push"]
  client = ["/etc/certs/1.pem", "/etc/certs/2.pem"]

[host."https://sixth.example/v2/prefix"]
  capabilities = ["pull"]
  override_path = true

[host."https://seventh.example"]
  override_path = true

[host."https://eighth.example".header]
  x-only = "header"

[host."ninth.example"]
  dial_timeout = "3s"
"#,
    );
    assert_eq!(
        found,
        [
            "https://first.example/v2 [pull] ca=/etc/certs/first.pem x-two=a|b",
            "https://second.example/us/v2 [pull] unverified",
            "http://first.example/v2 [pull]",
            "https://third.example/v2 ca=/etc/certs/a.pem ca=/d/b.pem ca=/c.pem \
             client=/etc/certs/x.cert+/d/x.key client=/etc/certs/both.pem client=/etc/certs/one.pem",
            "https://fourth.example/v2 client=/d/one.pem",
            "https://fifth.example/v2 [pull resolve push] client=/etc/certs/1.pem client=/etc/certs/2.pem",
            "https://sixth.example/v2/prefix [pull] as-is",
            "https://seventh.example as-is",
            "https://eighth.example/v2 x-only=header",
            "https://ninth.example/v2 dial=3",
            "https://upstream.example/v2 ca=/etc/pki/upstream x-one=single value",
        ]
    );
}

#[test]
fn hosts_stand_in_the_order_of_the_file_each_once() {
    let found = with_file(
        r#"
host."https://z.example".capabilities = ["pull"]
host."https://a.example" = { capabilities = ["pull"] }
[host."https://m.example"]
[host."https://b.example"]
[host."https://m.example".header]
x = "y"
"#,
    );
    assert_eq!(
        found,
        [
            "https://z.example/v2 [pull]",
            "https://a.example/v2 [pull]",
            "https://m.example/v2 x=y",
            "https://b.example/v2",
            "https://registry.example/v2",
        ]
    );
}

#[test]
fn without_a_server_the_root_sets_no_path_and_no_capabilities() {
    let found = with_file(
        "capabilities = ['push']\noverride_path = true\nskip_verify = true\nca = 'x'\nheader.a = 'b'",
    );
    assert_eq!(found, ["https://registry.example/v2 unverified ca=/d/x a=b"]);
    let found = with_file("server = 'other.example/x'\ncapabilities = ['push']\noverride_path = true");
    assert_eq!(found, ["https://other.example/x [push] as-is"]);
    assert_eq!(with_file("# nothing"), ["https://registry.example/v2"]);
    assert_eq!(with_file("server = ''"), ["https://registry.example/v2"]);
    assert_eq!(with_file("capabilities = []"), ["https://registry.example/v2"]);
}

#[test]
fn a_plain_address_with_tls_settings_is_ambiguous() {
    for (text, expected) in [
        ("server = 'http://a:5000'", "http://a:5000/v2"),
        ("server = 'http://a:5000'\nskip_verify = false", "https://a:5000/v2 or-http"),
        ("server = 'http://a'\nca = []", "https://a/v2 or-http"),
        ("server = 'http://a'\nclient = 'c'", "https://a/v2 or-http client=/d/c"),
        ("server = 'http://a'\nclient = []", "http://a/v2"),
        ("server = 'http://a:80'\nskip_verify = true", "http://a:80/v2 unverified"),
        ("server = 'https://a'\nskip_verify = true", "https://a/v2 unverified"),
    ] {
        assert_eq!(with_file(text), [expected], "{text}");
    }
}

#[test]
fn registries_without_a_directory_have_one_server() {
    let insecure = HostsSettings { insecure: true, ..HostsSettings::default() };
    let plain = HostsSettings { plain_http: PlainHttp::Everywhere, ..HostsSettings::default() };
    for (host, by_default, if_insecure) in [
        ("docker.io", "https://registry-1.docker.io/v2", "https://registry-1.docker.io/v2 unverified"),
        ("index.docker.io", "https://registry-1.docker.io/v2", "https://registry-1.docker.io/v2 unverified"),
        ("example.com", "https://example.com/v2", "https://example.com/v2 unverified or-http"),
        ("example.com:5000", "https://example.com:5000/v2", "https://example.com:5000/v2 unverified or-http"),
        ("localhost", "https://localhost/v2 unverified", "https://localhost/v2 unverified or-http"),
        (
            "localhost:443",
            "https://localhost:443/v2 unverified",
            "https://localhost:443/v2 unverified or-http",
        ),
        ("localhost:80", "http://localhost:80/v2", "http://localhost:80/v2 unverified"),
        (
            "localhost:5000",
            "https://localhost:5000/v2 unverified or-http",
            "https://localhost:5000/v2 unverified or-http",
        ),
        (
            "127.0.0.254:5000",
            "https://127.0.0.254:5000/v2 unverified or-http",
            "https://127.0.0.254:5000/v2 unverified or-http",
        ),
        ("127.0.0.254", "https://127.0.0.254/v2 unverified", "https://127.0.0.254/v2 unverified or-http"),
        (
            "[::1]:5000",
            "https://[::1]:5000/v2 unverified or-http",
            "https://[::1]:5000/v2 unverified or-http",
        ),
        ("::1", "https://::1/v2 unverified", "https://::1/v2 unverified or-http"),
    ] {
        assert_eq!(endpoints(host, &HostsSettings::default()), [by_default], "{host}");
        assert_eq!(endpoints(host, &insecure), [if_insecure], "{host}");
        let scheme = if host.ends_with("docker.io") { "https://" } else { "http://" };
        assert!(endpoints(host, &plain)[0].starts_with(scheme), "{host}");
    }
}

#[test]
fn a_file_wins_over_the_insecure_setting() {
    let tree = tree(&[
        ("r/a.example/hosts.toml", "server = 'https://a.example'\nskip_verify = false"),
        ("r/b.example/hosts.toml", "server = 'https://b.example'\n[host.'http://m']"),
    ]);
    let insecure = HostsSettings { insecure: true, ..settings(&tree, &["r"]) };
    assert_eq!(endpoints("a.example", &insecure), ["https://a.example/v2"]);
    let expected = ["https://m/v2 unverified or-http", "https://b.example/v2 unverified"];
    assert_eq!(endpoints("b.example", &insecure), expected);
    let plain = HostsSettings { plain_http: PlainHttp::Everywhere, ..settings(&tree, &["r"]) };
    assert_eq!(endpoints("b.example", &plain), ["http://m/v2", "https://b.example/v2"]);
}

#[test]
fn the_first_root_with_any_match_decides() {
    let tree = tree(&[
        ("one/a.example_5000_/hosts.toml", "server = 'underscores'"),
        ("one/a.example:5000/hosts.toml", "server = 'colon'"),
        ("one/a.example/hosts.toml", "server = 'other-port'"),
        ("two/_default/hosts.toml", "server = 'two-default'"),
        ("two/b.example/hosts.toml", "server = 'two'"),
        ("two/c.example_443_/hosts.toml", "server = 'default-port'"),
        ("two/docker.io/hosts.toml", "server = 'hub'"),
        ("two/empty.example/x.txt", ""),
        ("three/c.example/hosts.toml", "server = 'never'"),
    ]);
    let settings = settings(&tree, &["missing", "one", "two", "three"]);
    for (host, server) in [
        ("a.example:5000", "underscores"),
        ("a.example", "other-port"),
        ("a.example:443", "other-port"),
        ("a.example:5001", "two-default"),
        ("b.example", "two"),
        ("c.example", "default-port"),
        ("c.example:443", "default-port"),
        ("docker.io", "hub"),
        ("index.docker.io", "hub"),
        // A directory without a file hides the one for all registries.
        ("empty.example", "empty.example"),
    ] {
        assert_eq!(endpoints(host, &settings), [format!("https://{server}/v2")], "{host}");
    }
    for (host, server) in [("A.Example:5000", "underscores"), ("B.EXAMPLE", "two"), ("Docker.IO", "hub")] {
        assert_eq!(endpoints(host, &settings), [format!("https://{server}/v2")], "{host}");
    }
    let found = host_endpoints("b.example", &settings).unwrap();
    assert_eq!(found[0].file.as_deref(), Some(tree.path().join("two/b.example/hosts.toml").as_path()));
    assert_eq!(host_endpoints("empty.example", &settings).unwrap()[0].file, None);
}

#[test]
fn capitals_do_not_matter_in_the_name_of_a_directory() {
    let tree = tree(&[
        ("r/Registry.Example/hosts.toml", "server = 'capitals'"),
        ("r/Ported.example_5000_/hosts.toml", "server = 'port'"),
        ("r/PORTED.example:5000/hosts.toml", "server = 'colon'"),
        ("r/Both.example/hosts.toml", "server = 'first'"),
        ("r/both.example/hosts.toml", "server = 'exact'"),
        ("r/_default/hosts.toml", "server = 'default'"),
        ("s/other.example/hosts.toml", "server = 'never'"),
    ]);
    let settings = settings(&tree, &["r", "s"]);
    for (host, server) in [
        ("registry.example", "capitals"),
        ("REGISTRY.example", "capitals"),
        ("registry.example:443", "capitals"),
        ("ported.example:5000", "port"),
        ("both.example", "exact"),
        ("Both.example", "first"),
        ("BOTH.EXAMPLE", "first"),
        ("Other.Example", "default"),
    ] {
        assert_eq!(endpoints(host, &settings), [format!("https://{server}/v2")], "{host}");
    }
    assert_eq!(endpoints("Docker.IO", &HostsSettings::default()), ["https://registry-1.docker.io/v2"]);
}

#[test]
fn finds_certificates_in_the_layout_of_docker() {
    let tree = tree(&[
        ("r/a.example/b.crt", "x"),
        ("r/a.example/a.crt", "x"),
        ("r/a.example/me.cert", "x"),
        ("r/a.example/me.key", "x"),
        ("r/a.example/both.cert", "x"),
        ("r/a.example/README.md", "x"),
        ("r/a.example/folder.crt/x.md", "x"),
        ("r/empty.example:80/hosts.toml", ""),
        ("r/empty.example:80/ca.crt", "x"),
    ]);
    let at = |name: &str| tree.path().join("r/a.example").join(name).display().to_string();
    let settings = settings(&tree, &["r"]);
    let expected = format!(
        "https://a.example/v2 ca={} ca={} client={} client={}+{}",
        at("a.crt"),
        at("b.crt"),
        at("both.cert"),
        at("me.cert"),
        at("me.key")
    );
    assert_eq!(endpoints("a.example", &settings), [expected]);
    assert!(endpoints("empty.example:80", &settings)[0].starts_with("https://empty.example:80/v2 ca="));
}

#[test]
fn errors_state_line_and_column() {
    for (text, expected) in [
        ("server = ", "line 1, column 10: "),
        ("a = 1\nserver = 5", "line 2, column 10: `server` must be a text in quotes"),
        ("capabilities = 'pull'", "line 1, column 16: `capabilities` must be a list of texts"),
        ("capabilities = ['fly']", "line 1, column 16: there is no capability `fly`"),
        ("[host.'a']\nskip_verify = 'no'", "line 2, column 15: `skip_verify` must be `true` or `false`"),
        ("[host.'ftp://a']", "line 1, column 7: `ftp://a` is neither an HTTP nor an HTTPS address"),
        ("[host.'']", "line 1, column 7: `` is not an address"),
        ("host = 1", "line 1, column 8: `host` must be a table"),
        ("host.a = 1", "line 1, column 10: `host.\"a\"` must be a table"),
        ("[[host.a]]", "line 1, column"),
        ("client = [['a']]", "line 1, column 11: `client` must be pairs of certificate and key"),
        ("client = 5", "line 1, column 10: `client` must be a text in quotes"),
        ("ca = ''", "line 1, column 6: a path of `ca` is empty"),
        ("ca = [1]", "line 1, column 7: `ca` must be a text in quotes"),
        ("dial_timeout = '3'", "line 1, column 16: `dial_timeout` must be a time such as `3s`"),
        ("header.'a b' = 'x'", "line 1, column 8: `a b` cannot be the name of a header field"),
        ("header.a = \"x\\n\"", "line 1, column 8: a value of header field `a` has a character"),
        ("header.a = 1", "line 1, column 12: `header.a` must be a text or a list of texts"),
        ("a = 1\na = 2", "line 2, column 1: duplicate key"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert_eq!(
        parse_hosts_file(b"a = 1\n\xff", Path::new("/")).unwrap_err().to_string(),
        "line 2, column 1: this is not UTF-8"
    );
    let many: String = (0..=limits::REGISTRY_HOSTS).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "[host.'h{number}']");
        text
    });
    assert!(parse(&many).unwrap_err().problem.starts_with("there are more than"));
}

#[test]
fn a_file_with_an_error_is_not_skipped() {
    let tree = tree(&[
        ("r/a.example/hosts.toml", "capabilities = ["),
        ("r/a.example/ca.crt", "x"),
        ("r/b.example/hosts.toml/x.md", "x"),
        ("r/c.example", "a file"),
        ("file.txt", "x"),
    ]);
    fs::write(tree.path().join("r/c.example"), "a file").unwrap();
    fs::create_dir_all(tree.path().join("r/d.example")).unwrap();
    let big = vec![b'#'; usize::try_from(limits::HOSTS_FILE_BYTES).unwrap() + 1];
    fs::write(tree.path().join("r/d.example/hosts.toml"), big).unwrap();
    let settings = settings(&tree, &["r"]);
    for host in ["a.example", "b.example", "c.example", "d.example"] {
        let failure = host_endpoints(host, &settings).unwrap_err();
        assert_eq!(failure.fault, dray_ports::FetchFault::Configuration, "{host}");
        assert!(failure.message.contains(host), "{failure:?}");
        let reason = match host {
            "a.example" => FetchReason::InvalidHostsFile,
            _ => FetchReason::UnreadableHosts,
        };
        assert_eq!(failure.reason, Some(reason), "{host}");
    }
}

#[test]
fn warns_of_unknown_keys_and_ignored_values() {
    let file =
        parse("server = 'https://docker.io'\nskip-verify = true\nheader.Host = 'x'\n[host.'h']\nlimit = 1");
    assert_eq!(
        file.unwrap().warnings,
        [
            "line 5, column 1: the key `limit` is unknown",
            "line 2, column 1: the key `skip-verify` is unknown",
            "line 3, column 8: header field `Host` cannot be set here and is ignored",
            "line 1, column 10: `docker.io` is not where Docker Hub has its API; `registry-1.docker.io` is asked",
        ]
    );
    assert_eq!(with_file("server = 'https://docker.io'"), ["https://registry-1.docker.io/v2"]);
}

#[test]
fn debug_output_has_no_secret_of_a_header() {
    let file = parse("header.Authorization = 'Basic sesame'").unwrap();
    assert!(!format!("{file:?}").contains("sesame"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_hosts_file(&bytes, Path::new("relative"));
    }

    #[test]
    fn text_like_a_file_does_not_panic(
        lines in prop::collection::vec(
            r#"(server|ca|client|capabilities|skip_verify|dial_timeout|header\.[a-z]|host\."[a-z:/.]{0,8}"\.ca|\[host\."[a-z:/.@]{0,10}"\]|\[header\])( = ("[a-z:/.0-9\\]{0,8}"|\[("a", ?){0,2}(\["b"\])?\]|true|1s|[0-9.]{1,4}|\{\}))?"#,
            0..8,
        ),
    ) {
        if let Ok(file) = parse_hosts_file(lines.join("\n").as_bytes(), Path::new("")) {
            let HostsFile { mirrors, server, warnings } = file;
            let loaded = directory::RegistryDirectory { mirrors, server, warnings, file: None };
            let found = list::in_order("a:5000", loaded, &HostsSettings::default());
            prop_assert!(!found.is_empty());
            prop_assert!(found.iter().all(|endpoint| !endpoint.host.is_empty()));
        }
    }

    #[test]
    fn directories_stay_below_their_root(host in "[a-zA-Z0-9.:_/\\[\\]-]{0,20}") {
        if name::checked(&host).is_ok() {
            prop_assert!(!host.contains('/') && !host.contains("..") && host != ".");
        }
    }
}
