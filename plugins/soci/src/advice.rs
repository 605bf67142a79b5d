use dray_plugin::snapshotter::{ImagePlan, RegistryAccess};

/// Adds which setting of the daemon is likely to be missing. It has a configuration of its own, and reads neither
/// containerd's `hosts.toml` nor the credentials of the caller.
pub(crate) fn add(plan: ImagePlan, registry: &str) -> ImagePlan {
    let mirrors =
        format!("`[[resolver.host.\"{registry}\".mirrors]]` in `/etc/soci-snapshotter-grpc/config.toml`");
    plan.with_advice(
        RegistryAccess::PlainHttp,
        format!(
            "soci-snapshotter-grpc uses HTTPS for `{registry}`: set `host = \"http://{registry}\"` and `insecure = true` \
             in {mirrors}"
        ),
    )
    .with_advice(
        RegistryAccess::PrivateCa,
        format!(
            "soci-snapshotter-grpc trusts the certificate authorities of the system only: install that of \
             `{registry}` there, for example by `update-ca-certificates`, and restart it"
        ),
    )
    .with_advice(
        RegistryAccess::Mirror,
        format!(
            "soci-snapshotter-grpc does not read `hosts.toml`: name the mirror of `{registry}` as `host`, with \
             `https://` in front, in {mirrors}"
        ),
    )
    .with_advice(
        RegistryAccess::Credentials,
        format!(
            "soci-snapshotter-grpc has credentials of its own: log in to `{registry}` as the user that it runs as, so \
             that they are in `config.json` of that user's `.docker`, or set `[cri_keychain]` in its `config.toml`"
        ),
    )
    .with_advice(
        RegistryAccess::Unreachable,
        format!(
            "soci-snapshotter-grpc connects to `{registry}` by itself and remembers that it found no index until it is \
             restarted: its log says what failed"
        ),
    )
}
