use async_trait::async_trait;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{GetNamespaceRequest, Plugin, PluginsRequest};

use super::answer::answer;
use super::failure::Cause;
use super::{Containerd, client, convert};
use dray_ports::{Class, SnapshotterInfo, SnapshotterName, StoreError, StoreInfo, StoreVersion};

/// The label with the default snapshotter of a namespace.
const DEFAULT_SNAPSHOTTER_LABEL: &str = "containerd.io/defaults/snapshotter";

/// What containerd exports of a plugin that another process serves, and of no other.
const ADDRESS_EXPORT: &str = "address";

const SNAPSHOTTER_PLUGINS: &str = "type==io.containerd.snapshotter.v1";

#[async_trait]
impl StoreInfo for Containerd {
    async fn version(&self) -> Result<StoreVersion, StoreError> {
        let mut client = client!(self, VersionClient<_>);
        let version = answer(client.version(self.request(()))).await;
        let version = version.map_err(|cause| cause.during("ask containerd for its version"))?;
        Ok(StoreVersion { program: "containerd".to_owned(), version: version.version })
    }

    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError> {
        let request = PluginsRequest { filters: vec![SNAPSHOTTER_PLUGINS.to_owned()] };
        let mut client = client!(self, IntrospectionClient<_>);
        let listed = answer(client.plugins(self.request(request))).await;
        let listed = listed.map_err(|cause| cause.during("ask containerd for its snapshotters"))?;
        Ok(listed.plugins.into_iter().map(from_plugin).collect())
    }

    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError> {
        match self.namespace_label(DEFAULT_SNAPSHOTTER_LABEL).await {
            Ok(name) => Ok(name.filter(|name| !name.is_empty()).map(SnapshotterName::new)),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during("ask containerd for the namespace's default snapshotter")),
        }
    }
}

impl Containerd {
    async fn namespace_label(&self, key: &str) -> Result<Option<String>, Cause> {
        let name = String::from_utf8_lossy(self.namespace.as_bytes()).into_owned();
        let request = GetNamespaceRequest { name };
        let found = answer(client!(self, NamespacesClient<_>).get(self.request(request))).await?;
        Ok(convert::required(found.namespace, "namespace")?.labels.remove(key))
    }
}

fn from_plugin(plugin: Plugin) -> SnapshotterInfo {
    SnapshotterInfo {
        name: SnapshotterName::new(plugin.id),
        error: plugin.init_err.map(|error| error.message),
        capabilities: plugin.capabilities,
        address: plugin.exports.get(ADDRESS_EXPORT).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshotter_that_did_not_start_says_why() {
        let init_err = containerd_client::google::rpc::Status {
            code: 2,
            message: "no zfs here".to_owned(),
            ..Default::default()
        };
        let plugin = Plugin { id: "zfs".to_owned(), init_err: Some(init_err), ..Plugin::default() };
        assert_eq!(from_plugin(plugin).error.as_deref(), Some("no zfs here"));
        let plugin = Plugin { capabilities: vec!["rebase".to_owned()], ..Plugin::default() };
        let info = from_plugin(plugin);
        assert_eq!((info.error, info.capabilities), (None, vec!["rebase".to_owned()]));
        assert_eq!(info.address, None);
    }

    #[test]
    fn a_snapshotter_of_another_process_has_an_address() {
        let exports = [("address".to_owned(), "/run/stargz.sock".to_owned())].into();
        let plugin = Plugin { id: "stargz".to_owned(), exports, ..Plugin::default() };
        assert_eq!(from_plugin(plugin).address.as_deref(), Some("/run/stargz.sock"));
    }
}
