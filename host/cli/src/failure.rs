//! The one place where errors of the library become something that a user sees: a kind with an exit code, a
//! message, causes and hints.

mod damage;
mod document;
mod fetch;
mod image;
mod kind;
mod render;
mod settings;
mod store;
mod system;
#[cfg(test)]
mod tests;
pub(super) mod usage;

use std::error::Error;
use std::io;

pub(super) use self::fetch::REGISTRY_NAME_HINT;
pub(super) use self::image::{FETCH_ANEW_HINT, FETCH_HINT};
pub(super) use self::kind::Kind;
use super::interrupt::Signal;
use dray::ClientError;
use dray::config::ConfigFileError;
use dray::containerd;
use dray::oci::{MediaType, Platform, ReferenceError};
use dray::plugin::PluginSource;
use dray::ports::{Class, PluginFailure, PluginFault, StoreError};
use dray::pull::{Lack, PullError};

/// An error as the user sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Failure {
    /// An error without causes.
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// Something that should not fail did.
    pub(super) fn internal(message: &str, cause: &(dyn Error + 'static)) -> Self {
        Self {
            kind: Kind::Internal,
            message: message.to_owned(),
            causes: causes(message, Some(cause), cause),
            hints: system::hint(cause).into_iter().collect(),
        }
    }

    /// The command line is wrong.
    pub(super) fn usage(message: &str, cause: &(dyn Error + 'static)) -> Self {
        Self { kind: Kind::Usage, ..Self::internal(message, cause) }
    }

    /// A signal ended the command before it had done anything that needed a clean-up.
    pub(super) fn cancelled(signal: Option<Signal>) -> Self {
        Self::from(PullError::Cancelled).by_signal(signal)
    }

    /// The same, with the signal that was the reason, where there was one.
    #[must_use]
    pub(super) fn by_signal(mut self, signal: Option<Signal>) -> Self {
        if let (Kind::Cancelled(_), Some(signal)) = (self.kind, signal) {
            self.kind = Kind::Cancelled(signal);
        }
        self
    }

    /// The connection to containerd did not come about.
    pub(super) fn connecting(error: &StoreError) -> Self {
        let kind = match error.class() {
            Class::InvalidArgument => Kind::Usage,
            _ => Kind::Containerd,
        };
        let hints: &[&str] = match error.class() {
            Class::Denied => &["use the socket as root, or as a member of the group that owns it"],
            Class::Unreachable | Class::NotFound => &[
                "check that containerd runs, for example with `systemctl status containerd`",
                "if it uses another socket, pass it with `--address` or `CONTAINERD_ADDRESS`",
            ],
            _ => &[],
        };
        Self::of(kind, error, hints.iter().map(|&hint| hint.to_owned()))
    }

    /// The same with one more hint.
    #[must_use]
    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.hints.push(hint.to_owned());
        self
    }

    fn of(kind: Kind, error: &(dyn Error + 'static), hints: impl IntoIterator<Item = String>) -> Self {
        let message = error.to_string();
        let causes = causes(&message, error.source(), error);
        Self { kind, message, causes, hints: hints.into_iter().chain(system::hint(error)).collect() }
    }

    /// The exit status.
    pub(super) fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}

/// An error and its causes in one line.
pub(super) fn message_of(error: &(dyn Error + 'static)) -> String {
    let message = error.to_string();
    let causes = causes(&message, error.source(), error);
    std::iter::once(message).chain(causes).collect::<Vec<_>>().join(": ")
}

/// Texts of the causes that begin with `first`, and of what other servers said on the way to `error`. One that an
/// earlier text contains says nothing new: some libraries repeat.
fn causes(
    message: &str,
    first: Option<&(dyn Error + 'static)>,
    error: &(dyn Error + 'static),
) -> Vec<String> {
    let chain = std::iter::successors(first, |&cause| cause.source());
    let mut causes: Vec<String> = Vec::new();
    for text in chain.map(ToString::to_string).chain(fetch::other_servers(error)) {
        if !message.contains(&text) && !causes.iter().any(|earlier| earlier.contains(&text)) {
            causes.push(text);
        }
    }
    causes
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        let (kind, hints) = match &error {
            PullError::Resolve { source, .. } | PullError::Fetch { source, .. } => fetch::verdict(source),
            PullError::Mismatch { .. } => (Kind::Corrupt, vec![fetch::CHANGED_HINT.into()]),
            PullError::Document { source, .. } => document::verdict(source),
            PullError::NotAnImage { media_type, .. } => document::not_an_image(media_type),
            PullError::WrongSize { .. } => (Kind::Corrupt, vec![WRONG_SIZE_HINT.into()]),
            PullError::EmptyBlob { .. } | PullError::LayerCount { .. } | PullError::WrongDiffId { .. } => {
                (Kind::Corrupt, vec![MADE_WRONGLY_HINT.into()])
            }
            PullError::Damaged { digest, others, .. } => (Kind::Corrupt, damage::cure(digest, others)),
            PullError::Algorithm { .. } => {
                (Kind::Unsupported, vec!["containerd 2.3 and newer can store them".into()])
            }
            PullError::Decrypt { media_type, schemes, .. } => {
                (Kind::Containerd, hints_of_decryption(media_type, schemes))
            }
            PullError::Reference { source } => (Kind::Usage, vec![hint_of_reference(source)]),
            PullError::UnpackSeveral => (Kind::Usage, vec!["leave out `--unpack`".into()]),
            PullError::NotAvailable { source, .. } => verdict_of_lack(source),
            PullError::Image { source } => image::verdict(source),
            PullError::Absent { .. } => (Kind::NotFound, vec![FETCH_HINT.into()]),
            PullError::NoPlatform { offered, .. } => (Kind::Unsupported, vec![hint_of_platforms(offered)]),
            PullError::UnknownSnapshotter { known, .. } => {
                let hint = match listed(known) {
                    Some(known) => format!("choose another with `--snapshotter`; containerd has {known}"),
                    None => "containerd has no snapshotter; check its configuration".to_owned(),
                };
                (Kind::Configuration, vec![hint])
            }
            PullError::Plugin { source, .. } | PullError::Planner { source } => {
                (kind_of_plugin(source), hint_of_plugin(source).into_iter().collect())
            }
            PullError::Plan { .. } => {
                (Kind::Plugin, vec!["this is a fault of the plugin: report it to its authors".into()])
            }
            PullError::Foreign { .. } => {
                (Kind::Unsupported, vec!["choose another snapshotter with `--snapshotter`".into()])
            }
            PullError::DeadSnapshotter { .. } => (
                Kind::Containerd,
                vec![
                    "choose another with `--snapshotter`, or repair this one; `ctr plugins ls -d` shows its error"
                        .into(),
                ],
            ),
            PullError::NotProvided { .. } | PullError::Phantom { .. } => {
                (Kind::Containerd, vec!["the log of the snapshotter may say why".into()])
            }
            PullError::Store { source, .. } => store::verdict(source),
            PullError::Cancelled => (Kind::Cancelled(Signal::Interrupt), Vec::new()),
        };
        Self::of(kind, &error, hints)
    }
}

impl From<PluginFailure> for Failure {
    fn from(error: PluginFailure) -> Self {
        Self::of(kind_of_plugin(&error), &error, hint_of_plugin(&error))
    }
}

impl From<ConfigFileError> for Failure {
    fn from(error: ConfigFileError) -> Self {
        let hint = "correct it, or use another file with `--config`; `docs/cli.md` lists the members";
        Self::of(Kind::Configuration, &error, Some(hint.to_owned()))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Settings(error) => error.into(),
            ClientError::ConfigFile(error) => error.into(),
            ClientError::Registry(error) => error.into(),
            ClientError::Plugin(error) => error.into(),
            ClientError::Connect { source } => Self::connecting(&source),
            ClientError::Pull(error) => error.into(),
            ClientError::Image(error) => error.into(),
            error => Self::of(Kind::Internal, &error, None),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::of(Kind::Internal, &error, None)
    }
}

const PUSH_AGAIN_HINT: &str = "push the image again with a current tool";

const MADE_WRONGLY_HINT: &str = "the image is faulty: its publisher must build and push it again";

const WRONG_SIZE_HINT: &str =
    "the image states a wrong size for it: its publisher must build and push it again";

fn hint_of_reference(error: &ReferenceError) -> String {
    let scheme = match error {
        ReferenceError::Format { text } => text.find("://").map(|end| &text[..end + "://".len()]),
        _ => None,
    };
    match scheme {
        Some("http://") => "leave out `http://`; for a registry without TLS, pass `--plain-http`".to_owned(),
        Some(scheme) => format!("leave out `{scheme}`: a reference begins with the name of the registry"),
        None => "a reference looks like `debian`, `debian:12` or `registry.example.com/team/app@sha256:…`"
            .to_owned(),
    }
}

/// A plugin that cannot be read is mostly a mistyped file.
fn hint_of_plugin(failure: &PluginFailure) -> Option<String> {
    let mistyped = || {
        let embedded = listed(PluginSource::all_embedded().iter().map(|plugin| plugin.label().to_owned()));
        format!("check the path of the file; the embedded plugins are {}", embedded.unwrap_or_default())
    };
    let describing = || format!("`dray plugin inspect --describe {}` shows the schema", failure.plugin);
    failure.hint.clone().or_else(|| match failure.fault {
        PluginFault::Unreadable => Some(mistyped()),
        // Without a cause, the plugin has no schema.
        PluginFault::InvalidConfig if failure.source.is_some() => Some(describing()),
        _ => None,
    })
}

fn hint_of_platforms(offered: &[Platform]) -> String {
    let offers = offered.iter().filter(|platform| !platform.is_unknown()).map(Platform::format_all);
    match listed(offers) {
        Some(offers) => format!("choose another with `--platform`; the image offers {offers}"),
        None => "the image does not say which platforms it is for".to_owned(),
    }
}

fn verdict_of_lack(lack: &Lack) -> (Kind, Vec<String>) {
    let hint = match lack {
        Lack::Damaged { .. } => return (Kind::Corrupt, vec![FETCH_ANEW_HINT.to_owned()]),
        Lack::Blobs { .. } => "`dray image fetch` fetches the missing blobs, `dray image check` lists them",
        Lack::Platform { .. } => "choose another platform with `--platform`, or pull the image for this one",
        Lack::Unusable { .. } => "pull it again",
        _ => "pull it; `dray image ls` lists the images in containerd",
    };
    (Kind::NotFound, vec![hint.to_owned()])
}

fn kind_of_plugin(failure: &PluginFailure) -> Kind {
    match failure.fault {
        // Only a file that the user named can be unreadable.
        PluginFault::Unreadable => Kind::Usage,
        PluginFault::InvalidConfig | PluginFault::NotGranted => Kind::Configuration,
        PluginFault::Timeout
        | PluginFault::OutOfMemory
        | PluginFault::Trap
        | PluginFault::InvalidOutput
        | PluginFault::Incompatible
        | PluginFault::Refused => Kind::Plugin,
    }
}

/// What decryption needs, on the machine of containerd and not here. Which of it was missing, containerd's own words
/// say.
fn hints_of_decryption(media_type: &MediaType, schemes: &[String]) -> Vec<String> {
    let decoder = containerd::decoder_of(media_type);
    let keys = listed(schemes).map_or_else(String::new, |schemes| format!(" for {schemes}"));
    vec![
        format!(
            "containerd needs the stream processor `{decoder}` in its configuration, and the program that it names, \
             usually imgcrypt's `ctd-decoder`"
        ),
        format!(
            "that program needs a private key{keys} on the machine of containerd, by default in `/etc/containerd/ocicrypt/keys`"
        ),
    ]
}

/// `a`, `b` and `c` in one text; nothing if there are none.
fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let mut items: Vec<String> = items.into_iter().map(|item| format!("`{}`", item.to_string())).collect();
    items.dedup();
    (!items.is_empty()).then(|| items.join(", "))
}
