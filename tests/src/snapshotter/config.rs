//! The configuration files of the daemons.
//!
//! Prefetching and background fetching are off, so that tests can count requests.

use std::fs;

use serde_json::json;

use super::{Kind, Settings};
use crate::scratch::Scratch;
use crate::tools::{self, Missing};

/// Writes the configuration of a daemon, and returns its arguments.
pub(super) fn write(kind: Kind, settings: &Settings, scratch: &Scratch) -> Result<Vec<String>, Missing> {
    let text = match kind {
        Kind::Stargz => stargz(settings),
        Kind::Soci => soci(settings),
        Kind::Overlaybd => overlaybd(settings, scratch),
        Kind::Nydus => nydus(settings, scratch)?,
    };
    let file = scratch.file("config");
    fs::write(&file, text).expect("a file can be written");
    let places = || {
        let flags = [("--address", "daemon.sock"), ("--root", "root"), ("--config", "config")];
        flags.into_iter().flat_map(|(flag, name)| [flag.to_owned(), scratch.file(name)]).collect()
    };
    Ok(match kind {
        Kind::Stargz | Kind::Soci => places(),
        Kind::Overlaybd => vec![file],
        Kind::Nydus => vec!["--config".to_owned(), file],
    })
}

fn stargz(settings: &Settings) -> String {
    format!("no_background_fetch = true\nnoprefetch = true\n{}", mirrors(settings, ""))
}

fn soci(settings: &Settings) -> String {
    let containerd = settings.containerd.as_deref().map_or_else(String::new, |socket| {
        format!("[content_store]\n  containerd_address = \"{}\"\n", socket.display())
    });
    // Version 1 indexes are off by default.
    let general = "[pull_modes.soci_v1]\n  enable = true\n[background_fetch]\n  disable = true\n";
    format!("{general}{containerd}{}", mirrors(settings, "http://"))
}

/// The configuration of plain HTTP for stargz and SOCI. Both use it for loopback hosts without configuration. `scheme` is what
/// the daemon wants in front of a host.
fn mirrors(settings: &Settings, scheme: &str) -> String {
    let is_loopback = |host: &&String| host.starts_with("127.") || host.starts_with("localhost:");
    let mirror = |host: &String| {
        format!("[[resolver.host.\"{host}\".mirrors]]\n  host = \"{scheme}{host}\"\n  insecure = true\n")
    };
    settings.plain.iter().filter(|host| !is_loopback(host)).map(mirror).collect()
}

fn overlaybd(settings: &Settings, scratch: &Scratch) -> String {
    let plain = settings.plain.iter().map(|host| json!({ "host": host, "insecure": true }));
    json!({
        "root": scratch.file("root"),
        "address": scratch.file("daemon.sock"),
        "verbose": "info",
        "rwMode": "overlayfs",
        "mirrorRegistry": plain.collect::<Vec<_>>(),
    })
    .to_string()
}

fn nydus(settings: &Settings, scratch: &Scratch) -> Result<String, Missing> {
    let scheme = if settings.plain.is_empty() { "https" } else { "http" };
    let backend = json!({
        "device": {
            "backend": { "type": "registry", "config": { "scheme": scheme, "timeout": 5, "connect_timeout": 5 } },
            "cache": { "type": "blobcache" },
        },
        "mode": "direct",
        "digest_validate": false,
        "enable_xattr": true,
        "fs_prefetch": { "enable": false },
    });
    fs::write(scratch.path().join("nydusd.json"), backend.to_string()).expect("a file can be written");
    Ok(format!(
        r#"version = 1
root = "{root}"
address = "{socket}"
daemon_mode = "dedicated"
[system]
  enable = false
[daemon]
  nydusd_path = "{nydusd}"
  nydusimage_path = "{image}"
  nydusd_config = "{backend}"
  fs_driver = "fusedev"
  recover_policy = "none"
[cgroup]
  enable = false
[log]
  log_to_stdout = true
[metrics]
  address = ""
"#,
        root = scratch.file("root"),
        socket = scratch.file("daemon.sock"),
        nydusd = tools::built("nydus", "nydusd.sh")?.display(),
        image = tools::built("nydus", "nydus-image")?.display(),
        backend = scratch.file("nydusd.json"),
    ))
}
