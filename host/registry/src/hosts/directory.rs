use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::endpoint::ClientPair;
use super::file::{self, Entry, HostsFile, parse_hosts_file};
use super::name;
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// The contents of a registry's directory.
#[derive(Debug, Default)]
pub(super) struct RegistryDirectory {
    pub(super) mirrors: Vec<Entry>,
    pub(super) server: Entry,
    /// The `hosts.toml`, if there is one that is not empty.
    pub(super) file: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// The directory of a registry: in the first root that has one for the registry, or one for all registries.
pub(super) fn find(roots: &[PathBuf], host: &str) -> Result<Option<PathBuf>, FetchFailure> {
    let names = names(host);
    for root in roots {
        for name in &names {
            if let Some(path) = existing(root, name)? {
                return Ok(Some(path));
            }
        }
        if let Some(path) = in_any_case(root, &names)? {
            return Ok(Some(path));
        }
        if let Some(path) = existing(root, "_default")? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn existing(root: &Path, name: &str) -> Result<Option<PathBuf>, FetchFailure> {
    let path = file::below(root, Path::new(name));
    match fs::metadata(&path) {
        Ok(_) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, error)),
    }
}

/// The directory with one of the names in upper or lower case: case does not matter in the name of a host.
fn in_any_case(root: &Path, names: &[String]) -> Result<Option<PathBuf>, FetchFailure> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        // A directory may be searchable but not readable. The exact name has been looked up already.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(root, error)),
    };
    let mut found: Option<(usize, String)> = None;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(root, error))?.file_name();
        let Some(entry) = entry.to_str() else { continue };
        if let Some(rank) = names.iter().position(|name| name.eq_ignore_ascii_case(entry)) {
            let candidate = (rank, entry.to_owned());
            found = Some(found.map_or(candidate.clone(), |found| found.min(candidate)));
        }
    }
    Ok(found.map(|(_, name)| file::below(root, Path::new(&name))))
}

/// Possible names of the directory, best first: the forms that containerd writes, then with or without the default
/// port of HTTPS.
fn names(host: &str) -> Vec<String> {
    let mut names = as_written(host);
    match name::split(host) {
        (bare, Some("443")) => names.extend(as_written(bare)),
        (bare, None) if bare == host && !host.starts_with(':') => {
            names.extend(as_written(&format!("{host}:443")));
        }
        _ => {}
    }
    names
}

/// Path lists and some file systems do not allow a colon: `host_port_` stands for `host:port`.
fn as_written(host: &str) -> Vec<String> {
    let substitute = host.rfind(':').filter(|&at| at > 0);
    let substitute = substitute.map(|at| format!("{}_{}_", &host[..at], &host[at + 1..]));
    substitute.into_iter().chain([host.to_owned()]).collect()
}

/// Reads a directory: its `hosts.toml`, or else the certificates in it in Docker's layout.
pub(super) fn load(directory: &Path) -> Result<RegistryDirectory, FetchFailure> {
    let path = directory.join("hosts.toml");
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unreadable(&path, error)),
    };
    if bytes.is_empty() {
        return certificates(directory).map_err(|error| unreadable(directory, error));
    }
    match parse_hosts_file(&bytes, directory) {
        Ok(HostsFile { mirrors, server, warnings }) => {
            let warnings = warnings.iter().map(|warning| format!("{}, {warning}", path.display())).collect();
            Ok(RegistryDirectory { mirrors, server, warnings, file: Some(path) })
        }
        Err(error) => {
            let message = format!("`{}` is not valid", path.display());
            Err(FetchFailure::new(FetchFault::Configuration, message)
                .with_reason(FetchReason::InvalidHostsFile)
                .with_source(error))
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::HOSTS_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::HOSTS_FILE_BYTES {
        let problem = format!("it has more than {} bytes", limits::HOSTS_FILE_BYTES);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// `*.crt` are authorities, `*.cert` are client certificates, and the `*.key` of the same name are their keys.
fn certificates(directory: &Path) -> io::Result<RegistryDirectory> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            files.push(entry.path());
        }
        if files.len() > limits::CERTIFICATE_FILES {
            let problem = format!("it has more than {} files", limits::CERTIFICATE_FILES);
            return Err(io::Error::other(problem));
        }
    }
    files.sort();
    let mut server = Entry::default();
    for path in files {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => server.ca.get_or_insert_default().push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                let key = if key.try_exists()? { Some(key) } else { None };
                server.client.push(ClientPair { certificate: path, key });
            }
            _ => {}
        }
    }
    Ok(RegistryDirectory { server, ..RegistryDirectory::default() })
}

fn unreadable(path: &Path, error: io::Error) -> FetchFailure {
    let message = format!("cannot read `{}`", path.display());
    FetchFailure::new(FetchFault::Configuration, message)
        .with_reason(FetchReason::UnreadableHosts)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_are_tried_as_containerd_does() {
        for (host, expected) in [
            ("quay.io", vec!["quay.io", "quay.io_443_", "quay.io:443"]),
            ("quay.io:443", vec!["quay.io_443_", "quay.io:443", "quay.io"]),
            ("quay.io:5000", vec!["quay.io_5000_", "quay.io:5000"]),
            ("[::1]:5000", vec!["[::1]_5000_", "[::1]:5000"]),
            ("::1", vec![":_1_", "::1"]),
        ] {
            assert_eq!(names(host), expected, "{host}");
        }
    }
}
