use super::setting::{filled, strongest};
use super::{ConfigFiles, Environment, Setting, SettingsError};
use dray_ports::SnapshotterName;
use dray_pull::pull::SnapshotterChoice;

/// Where containerd listens by default.
const DEFAULT_ADDRESS: &str = "/run/containerd/containerd.sock";

/// The default namespace, that of containerd's own clients.
const DEFAULT_NAMESPACE: &str = "default";

/// The word that lets the image decide.
const AUTO: &str = "auto";

/// What the caller gives about containerd.
#[derive(Clone, Debug, Default)]
pub struct DaemonFlags {
    /// Path of the socket, with or without `unix://`.
    pub address: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name of the snapshotter, or `auto`.
    pub snapshotter: Option<String>,
}

/// The settings for containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Path of the socket.
    pub address: Setting<String>,
    /// Namespace.
    pub namespace: Setting<String>,
    /// Snapshotter.
    pub snapshotter: Setting<SnapshotterChoice>,
}

impl DaemonSettings {
    /// What is given comes before its variable, a variable before a configuration file, and a file before the default.
    ///
    /// # Errors
    ///
    /// Fails if a value that counts is empty or not UTF-8.
    pub fn resolve(
        flags: DaemonFlags,
        environment: &Environment,
        files: &ConfigFiles,
    ) -> Result<Self, SettingsError> {
        let address = strongest(
            flags.address,
            ("CONTAINERD_ADDRESS", environment.address.as_deref()),
            files.get(|file| file.address.as_ref()),
        )?;
        let namespace = strongest(
            flags.namespace,
            ("CONTAINERD_NAMESPACE", environment.namespace.as_deref()),
            files.get(|file| file.namespace.as_ref()),
        )?;
        let snapshotter = strongest(
            flags.snapshotter,
            ("CONTAINERD_SNAPSHOTTER", environment.snapshotter.as_deref()),
            files.get(|file| file.snapshotter.as_ref()),
        )?;
        let order = files.get(|file| file.snapshotter_order.as_ref()).map(|(order, _)| order.clone());
        let order = order.unwrap_or_default();
        let or = |setting: Option<Setting<String>>, default: &str| {
            setting.unwrap_or_else(|| Setting::by_default(default.to_owned()))
        };
        Ok(Self {
            address: or(address, DEFAULT_ADDRESS).try_map(|address| {
                filled("address of containerd", address.strip_prefix("unix://").unwrap_or(&address))
            })?,
            namespace: or(namespace, DEFAULT_NAMESPACE)
                .try_map(|namespace| filled("namespace", &namespace))?,
            snapshotter: match snapshotter {
                None => Setting::by_default(SnapshotterChoice::Default),
                Some(name) => name.try_map(|name| match filled("name of the snapshotter", &name)? {
                    name if name == AUTO => Ok(SnapshotterChoice::Auto { order: order.clone() }),
                    name => Ok(SnapshotterChoice::Named(SnapshotterName::new(name))),
                })?,
            },
        })
    }
}
