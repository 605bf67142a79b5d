use dray_plugin::snapshotter::{ImagePlan, RegistryAccess};

/// Adds which setting is likely to be missing. The snapshotter writes the address of a blob, the block daemon
/// overlaybd-tcmu reads it; neither reads containerd's `hosts.toml` nor the credentials of the caller.
pub(crate) fn add(plan: ImagePlan, registry: &str) -> ImagePlan {
    let mirrors = "`mirrorRegistry` in `/etc/overlaybd-snapshotter/config.json`";
    plan.with_advice(
        RegistryAccess::PlainHttp,
        format!(
            "overlaybd-snapshotter writes HTTPS addresses: add `{{\"host\": \"{registry}\", \"insecure\": true}}` \
             to {mirrors}"
        ),
    )
    .with_advice(
        RegistryAccess::PrivateCa,
        format!(
            "overlaybd-tcmu trusts the certificate authorities of the system only: install that of `{registry}` there, \
             for example by `update-ca-certificates`, and restart it"
        ),
    )
    .with_advice(
        RegistryAccess::Mirror,
        format!("overlaybd-snapshotter does not read `hosts.toml`: add the mirror of `{registry}` to {mirrors}"),
    )
    .with_advice(
        RegistryAccess::Credentials,
        format!(
            "overlaybd-tcmu has credentials of its own: add those of `{registry}` to the file that `credentialConfig` in \
             `/etc/overlaybd/overlaybd.json` names, `/opt/overlaybd/cred.json` by default"
        ),
    )
    .with_advice(
        RegistryAccess::Unreachable,
        format!("overlaybd-tcmu connects to `{registry}` by itself when a container starts: its log says what failed"),
    )
}
