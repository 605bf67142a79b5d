use dray_plugin::snapshotter::{ImagePlan, RegistryAccess};

/// Adds which setting is likely to be missing. Files are read by nydusd, which reads neither containerd's
/// `hosts.toml` nor the credentials of the caller.
pub(crate) fn add(plan: ImagePlan, registry: &str) -> ImagePlan {
    let backend = "`device.backend.config` of nydusd's JSON configuration";
    plan.with_advice(
        RegistryAccess::PlainHttp,
        format!("nydusd uses HTTPS for `{registry}`: set `scheme` to `http` in {backend}"),
    )
    .with_advice(
        RegistryAccess::PrivateCa,
        format!(
            "nydusd trusts the certificate authorities of the system only: install that of `{registry}` there, for \
             example by `update-ca-certificates`, or set `skip_verify` in {backend}"
        ),
    )
    .with_advice(
        RegistryAccess::Mirror,
        format!(
            "nydus does not read containerd's `hosts.toml`: set `dir` in `[remote.mirrors_config]` of \
             containerd-nydus-grpc's configuration to a directory that names the mirror of `{registry}`"
        ),
    )
    .with_advice(
        RegistryAccess::Credentials,
        format!(
            "containerd-nydus-grpc has credentials of its own: log in to `{registry}` as the user that it runs as, so \
             that they are in `config.json` of that user's `.docker`, or set `enable_cri_keychain` in `[remote.auth]` \
             of its configuration"
        ),
    )
    .with_advice(
        RegistryAccess::Unreachable,
        format!("nydusd connects to `{registry}` by itself when a container starts: its log says what failed"),
    )
}
