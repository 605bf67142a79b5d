//! What a pull that failed means to a user.

use super::hint::{self, FETCH_ANEW_HINT, FETCH_HINT, MADE_WRONGLY_HINT, WRONG_SIZE_HINT, listed};
use super::kind::Kind;
use super::shown::Failure;
use super::{damage, document, fetch, image, plugin, store};
use crate::interrupt::Signal;
use dray::containerd;
use dray::oci::MediaType;
use dray::pull::{Lack, PullError};

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
            PullError::Reference { source } => (Kind::Usage, vec![hint::of_reference(source)]),
            PullError::UnpackSeveral => (Kind::Usage, vec!["leave out `--unpack`".into()]),
            PullError::NotAvailable { source, .. } => verdict_of_lack(source),
            PullError::Image { source } => image::verdict(source),
            PullError::Absent { .. } => (Kind::NotFound, vec![FETCH_HINT.into()]),
            PullError::NoPlatform { offered, .. } => (Kind::Unsupported, vec![hint::of_platforms(offered)]),
            PullError::UnknownSnapshotter { known, .. } => {
                let hint = match listed(known) {
                    Some(known) => format!("choose another with `--snapshotter`; containerd has {known}"),
                    None => "containerd has no snapshotter; check its configuration".to_owned(),
                };
                (Kind::Configuration, vec![hint])
            }
            PullError::Plugin { source, .. } | PullError::Planner { source } => {
                (plugin::kind(source), plugin::hint(source).into_iter().collect())
            }
            PullError::Plan { .. } => {
                (Kind::Plugin, vec!["this is a fault of the plugin: report it to its authors".into()])
            }
            PullError::Foreign { tried, .. } => (Kind::Unsupported, vec![hint_of_foreign(tried)]),
            PullError::UnreachableSnapshotter { .. } => {
                let hint = "start its daemon, or choose another snapshotter with `--snapshotter`";
                (Kind::Containerd, vec![hint.into()])
            }
            PullError::LostSnapshotter { .. } => {
                let hint = "start its daemon and pull again: the layers that are complete are kept for a while";
                (Kind::Containerd, vec![hint.into(), LOG_HINT.into()])
            }
            PullError::NotReadable { advice, .. } => {
                (Kind::Containerd, advice.iter().cloned().chain([LOG_HINT.to_owned()]).collect())
            }
            PullError::SilentSnapshotter { .. } | PullError::SlowSnapshotter { .. } => {
                (Kind::Containerd, vec!["the log of the snapshotter's daemon may say why it hangs".into()])
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

const LOG_HINT: &str = "the log of the snapshotter's daemon may say why";

fn hint_of_foreign(tried: &[String]) -> String {
    match tried {
        [] | [_] => "choose another snapshotter with `--snapshotter`; `dray image explain` asks all of them"
            .to_owned(),
        _ => format!(
            "set up the snapshotter that the image is made for; these cannot serve it: {}",
            listed(tried).unwrap_or_default()
        ),
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

/// The requirements of decryption on the machine of containerd. containerd's message says which one was missing.
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
