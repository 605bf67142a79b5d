use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::address::Address;
use super::capabilities::{Capabilities, Capability};
use super::endpoint::ClientPair;
use super::header::HostHeaders;
use super::values::{Document, HostsFileError, Value, shown};
use super::{duration, hub};
use dray_core::limits;

/// A parsed `hosts.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    /// The mirrors, in the order of the file, each once.
    pub(super) mirrors: Vec<Entry>,
    /// The table at the root: the last server. Without an address it is the registry itself.
    pub(super) server: Entry,
    /// Warnings for the author of the file.
    pub(super) warnings: Vec<String>,
}

/// One server in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) address: Option<Address>,
    pub(super) capabilities: Capabilities,
    /// Absent differs from empty: any list of authorities, even an empty one, makes a plain address ambiguous.
    pub(super) ca: Option<Vec<PathBuf>>,
    pub(super) client: Vec<ClientPair>,
    pub(super) skip_verify: Option<bool>,
    pub(super) headers: HostHeaders,
    pub(super) override_path: bool,
    pub(super) dial_timeout: Option<Duration>,
}

impl Entry {
    /// Whether the entry has settings for TLS. With an `http` address that means: TLS if the server speaks it.
    pub(super) fn configures_tls(&self) -> bool {
        self.ca.is_some() || !self.client.is_empty() || self.skip_verify.is_some()
    }
}

/// Parses a `hosts.toml`. Relative paths in it are relative to `directory`, which is not read.
///
/// # Errors
///
/// Fails with the position if the file is not TOML, or if containerd would not accept it. An unknown key only causes
/// a warning.
pub fn parse_hosts_file(bytes: &[u8], directory: &Path) -> Result<HostsFile, HostsFileError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            return Err(Document(&valid).error(valid.len(), "this is not UTF-8"));
        }
    };
    let document = Document(text);
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let problem: Vec<&str> = error.message().split_whitespace().collect();
        document.error(at, problem.join(" "))
    })?;
    let mut reader = Reader { document, directory, warnings: Vec::new() };
    let mut hosts = None;
    let mut server = None;
    let mut own = Vec::new();
    for (key, value) in root.get_ref() {
        match key.get_ref().to_ascii_lowercase().as_str() {
            "host" => hosts = Some(document.table("host", value)?),
            "server" => server = Some(value),
            _ => own.push((key, value)),
        }
    }
    let mut mirrors = Vec::new();
    for (key, value) in hosts.into_iter().flatten() {
        if mirrors.len() == limits::REGISTRY_HOSTS {
            let problem = format!("there are more than {} hosts", limits::REGISTRY_HOSTS);
            return Err(document.error(key.span().start, problem));
        }
        let table = document.table(&format!("host.\"{}\"", shown(key)), value)?;
        let mut entry = reader.entry(table.iter())?;
        entry.address = Some(reader.address(key.get_ref(), key.span().start, entry.override_path)?);
        mirrors.push(entry);
    }
    let mut last = reader.entry(own.into_iter())?;
    if let Some(value) = server {
        let text = document.string("server", value)?;
        if !text.is_empty() {
            last.address = Some(reader.address(&text, value.span().start, last.override_path)?);
        }
    }
    Ok(HostsFile { mirrors, server: last, warnings: reader.warnings })
}

struct Reader<'a> {
    document: Document<'a>,
    directory: &'a Path,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn entry<'v>(
        &mut self,
        pairs: impl Iterator<Item = (&'v Spanned<DeString<'a>>, &'v Value<'a>)>,
    ) -> Result<Entry, HostsFileError>
    where
        'a: 'v,
    {
        let document = self.document;
        let mut entry = Entry::default();
        for (key, value) in pairs {
            // containerd ignores the case of keys.
            let name = key.get_ref().to_ascii_lowercase();
            let name = name.as_str();
            match name {
                "capabilities" => entry.capabilities = self.capabilities(value)?,
                "ca" => {
                    let files = document.string_or_strings(name, value)?;
                    let files = files.iter().map(|file| self.path(name, value, file));
                    entry.ca = Some(files.collect::<Result<_, _>>()?);
                }
                "client" => {
                    let pairs = document.pairs(name, value)?;
                    let pair = |(certificate, key): &(String, String)| {
                        let key = (!key.is_empty()).then(|| self.path(name, value, key));
                        let certificate = self.path(name, value, certificate)?;
                        Ok(ClientPair { certificate, key: key.transpose()? })
                    };
                    entry.client = pairs.iter().map(pair).collect::<Result<_, _>>()?;
                }
                "skip_verify" => entry.skip_verify = Some(document.boolean(name, value)?),
                "override_path" => entry.override_path = document.boolean(name, value)?,
                "header" => entry.headers = self.headers(document.table(name, value)?)?,
                "dial_timeout" => entry.dial_timeout = self.dial_timeout(value)?,
                _ => self.warn(key.span().start, &format!("the key `{}` is unknown", shown(key))),
            }
        }
        Ok(entry)
    }

    fn warn(&mut self, at: usize, text: &str) {
        let place = self.document.error(at, text);
        self.warnings.push(place.to_string());
    }

    fn address(&mut self, text: &str, at: usize, override_path: bool) -> Result<Address, HostsFileError> {
        let parsed = Address::parse(text, override_path);
        let mut address = parsed.map_err(|problem| self.document.error(at, problem))?;
        if hub::is_without_api(&address.host) {
            let (host, api) = (&address.host, hub::API);
            let text = format!("`{host}` is not where Docker Hub has its API; `{api}` is asked");
            self.warn(at, &text);
            hub::API.clone_into(&mut address.host);
        }
        Ok(address)
    }

    fn capabilities(&self, value: &Value<'a>) -> Result<Capabilities, HostsFileError> {
        let words = self.document.strings("capabilities", value)?;
        if words.is_empty() {
            return Ok(Capabilities::default());
        }
        let capability = |word: &String| {
            Capability::parse(word).ok_or_else(|| {
                let problem = format!(
                    "there is no capability `{word}`, only `pull`, `resolve`, `push` and `referrers`"
                );
                self.document.error(value.span().start, problem)
            })
        };
        words.iter().map(capability).collect()
    }

    fn headers(&mut self, table: &DeTable<'a>) -> Result<HostHeaders, HostsFileError> {
        let mut headers = HostHeaders::default();
        for (key, value) in table {
            let values = self.document.string_or_strings(&format!("header.{}", shown(key)), value)?;
            let added = headers.add(key.get_ref(), values);
            added.map_err(|problem| self.document.error(key.span().start, problem))?;
            if HostHeaders::is_ignored(key.get_ref()) {
                let text = format!("header field `{}` cannot be set here and is ignored", shown(key));
                self.warn(key.span().start, &text);
            }
        }
        Ok(headers)
    }

    fn dial_timeout(&self, value: &Value<'a>) -> Result<Option<Duration>, HostsFileError> {
        let text = self.document.string("dial_timeout", value)?;
        if text.is_empty() {
            return Ok(None);
        }
        duration::parse(&text).map(Some).ok_or_else(|| {
            let problem = "`dial_timeout` must be a time such as `3s` or `1m30s`";
            self.document.error(value.span().start, problem)
        })
    }

    fn path(&self, key: &str, value: &Value<'a>, text: &str) -> Result<PathBuf, HostsFileError> {
        if text.is_empty() {
            return Err(self.document.error(value.span().start, format!("a path of `{key}` is empty")));
        }
        let path = Path::new(text);
        Ok(if path.is_absolute() { path.to_owned() } else { below(self.directory, path) })
    }
}

/// The path below the directory, without `.` and `..`. Symbolic links are not followed, as in containerd.
pub(super) fn below(directory: &Path, path: &Path) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in directory.components().chain(path.components()) {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match joined.components().next_back() {
                Some(Component::Normal(_)) => {
                    joined.pop();
                }
                Some(Component::RootDir) => {}
                _ => joined.push(".."),
            },
            other => joined.push(other),
        }
    }
    joined
}
