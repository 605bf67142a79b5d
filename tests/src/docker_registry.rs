//! A private docker-registry.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::image::Content;
use crate::process::{Process, end_with_parent};
use crate::scratch::{Place, Scratch};
use crate::tools::{self, Missing, SEARCH_PATH};

/// A running registry without authentication, on its own loopback port.
#[derive(Debug)]
pub struct DockerRegistry {
    // Dropped in this order: the registry ends before its directory is removed.
    process: Process,
    address: String,
    _scratch: Scratch,
}

impl DockerRegistry {
    /// Starts one with its data in memory, and waits until it listens.
    pub fn start() -> Result<Self, Missing> {
        Self::start_in(Place::Memory)
    }

    /// Starts one, and waits until it listens.
    pub fn start_in(place: Place) -> Result<Self, Missing> {
        let program = tools::docker_registry()?;
        let scratch = Scratch::new(place);
        let config = format!(
            "version: 0.1\n\
             log: {{level: info, formatter: text}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            scratch.file("data"),
        );
        fs::write(scratch.path().join("config.yml"), config).expect("a file can be written");
        let mut command = Command::new(program);
        command.args(["serve", &scratch.file("config.yml")]);
        command.env("PATH", SEARCH_PATH).env("HOME", scratch.path()).env("OTEL_TRACES_EXPORTER", "none");
        let log = scratch.path().join("log");
        let mut process = Process::start(&command, &log).expect("docker-registry can be started");
        // The kernel chooses the port, so that no other program can take it in between. The log states it.
        let mut address = None;
        process.wait_until("docker-registry", || {
            address = fs::read_to_string(&log).ok().and_then(|log| listening_address(&log));
            address.is_some()
        });
        Ok(Self { process, address: address.unwrap_or_default(), _scratch: scratch })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The reference of an image on this registry: `reference("debian:demo")`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The requests so far, oldest first, as `METHOD path status`.
    pub fn requests(&self) -> Vec<String> {
        self.process.log().lines().filter_map(access).collect()
    }

    /// Pushes an image or an index, byte for byte, as `repository:tag`.
    pub fn push(&self, content: &dyn Content, name: &str) {
        let (repository, tag) = name.rsplit_once(':').expect("a name has a tag");
        for blob in content.blobs() {
            let upload = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[], 202);
            let separator = if upload.contains('?') { '&' } else { '?' };
            let target = format!("{upload}{separator}digest={}", blob.digest);
            self.send("PUT", &target, "application/octet-stream", &blob.bytes, 201);
        }
        let manifests = content.manifests();
        for manifest in &manifests {
            let target = format!("/v2/{repository}/manifests/{}", manifest.digest);
            self.send("PUT", &target, &manifest.media_type, &manifest.bytes, 201);
        }
        let top = manifests.last().expect("content has a manifest");
        self.send("PUT", &format!("/v2/{repository}/manifests/{tag}"), &top.media_type, &top.bytes, 201);
    }

    /// Copies an image of an OCI image layout, `directory:tag`, to `repository:tag`, with all its platforms.
    pub fn push_oci_layout(&self, layout: &Path, layout_tag: &str, name: &str) -> Result<(), Missing> {
        let mut command = Command::new(tools::skopeo()?);
        command
            .args(["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"])
            .arg(format!("oci:{}:{layout_tag}", layout.display()))
            .arg(format!("docker://{}", self.reference(name)))
            .env("PATH", SEARCH_PATH)
            // No credentials and no configuration of the developer.
            .env("HOME", layout);
        let output = end_with_parent(&command).output().expect("skopeo can be started");
        assert!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Sends a request and returns the `Location` of the answer, as a path.
    fn send(&self, method: &str, target: &str, media_type: &str, body: &[u8], expected: u16) -> String {
        let (status, location, text) = exchange(&self.address, method, target, media_type, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        assert_eq!(status, expected, "{method} {target}: {text}\n{}", self.process.log());
        location.trim_start_matches(&format!("http://{}", self.address)).to_owned()
    }
}

/// One request on its own connection: the status, the location, and the body of the response.
fn exchange(
    address: &str,
    method: &str,
    target: &str,
    media_type: &str,
    body: &[u8],
) -> io::Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: {media_type}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(&answer).map_err(io::Error::other)? else {
        return Err(io::Error::other("the answer ends within its headers"));
    };
    let location = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
    let location = location.map(|header| String::from_utf8_lossy(header.value).into_owned());
    let text = String::from_utf8_lossy(&answer[length..]).into_owned();
    Ok((response.code.unwrap_or_default(), location.unwrap_or_default(), text))
}

fn listening_address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    // The last line may be incomplete and end within the port.
    let (address, _) = rest.split_once(['"', ' ', '\n'])?;
    Some(address.to_owned())
}

/// A line of the access log: `127.0.0.1 - - [time] "GET /v2/ HTTP/1.1" 200 2 "" "agent"`.
fn access(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (method, rest_of_request) = request.split_once(' ')?;
    let (target, _) = rest_of_request.split_once(' ')?;
    let status = rest.split(' ').next()?;
    Some(format!("{method} {target} {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_the_port_and_the_requests() {
        let log = "time=\"2026\" level=info msg=\"listening on 127.0.0.1:43210\" go.version=go1.19\n";
        assert_eq!(listening_address(log).as_deref(), Some("127.0.0.1:43210"));
        assert_eq!(listening_address("msg=\"listening on 127.0.0.1:43"), None);
        let line = r#"127.0.0.1 - - [26/Nov/2026:01:00:00 +0000] "GET /v2/a/manifests/b HTTP/1.1" 200 428 "" "dray""#;
        assert_eq!(access(line).as_deref(), Some("GET /v2/a/manifests/b 200"));
        assert_eq!(access(log), None);
    }
}
