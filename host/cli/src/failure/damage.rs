//! Hints for a damaged blob in containerd.

use super::hint::listed;
use dray::oci::Digest;

/// How to fetch the blob again. containerd keeps its file as long as one namespace has the blob, and never overwrites
/// it.
pub(super) fn cure(blob: &Digest, others: &[String]) -> Vec<String> {
    let Some(named) = listed(others) else {
        return vec![
            "`dray image fetch NAME` fetches it again, where NAME is an image of this namespace with this blob; if there is \
             none, pull again"
                .to_owned(),
        ];
    };
    let (namespaces, them) = if others.len() == 1 { ("namespace", "it") } else { ("namespaces", "them") };
    let commands: Vec<String> =
        others.iter().map(|namespace| format!("`ctr -n {namespace} content rm {blob}`")).collect();
    vec![
        format!("containerd keeps one file for all namespaces, and {namespaces} {named} need {them} too"),
        format!("remove it there with {}, and then try again", commands.join(", ")),
    ]
}
