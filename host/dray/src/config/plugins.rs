//! Which plugin serves: the one that the caller gives, else that of a configuration file, else an embedded one.

use dray_plugin_host::{PluginKind, PluginOrigin, PluginSpec};
use dray_ports::SnapshotterName;
use dray_pull::image::Platforms;

use super::snapshotters::embedded_planner;
use super::{ConfigFiles, ConfiguredPlugin, SettingsError};

/// The embedded plugin for SOCI.
const SOCI: &str = "soci";

/// The member of its configuration that names the index.
const SOCI_INDEX: &str = "indexDigest";

/// The embedded plugin that chooses the platform.
const PLATFORM: &str = "platform";

/// What the caller gives about plugins.
#[derive(Clone, Debug, Default)]
pub struct PluginFlags {
    /// The plugin that plans, whatever the snapshotter.
    pub snapshotter: PluginChoice,
    /// The plugin that chooses the platform.
    pub platform: PluginChoice,
    /// Digest of the SOCI index. It becomes a member of the configuration of the embedded plugin `soci`, and counts for no
    /// other.
    pub soci_index_digest: Option<String>,
    /// Entries as in the table of plugins of a configuration file. They come before those of the files.
    pub table: Vec<ConfiguredPlugin>,
}

/// The plugin that the caller gives for a kind.
#[derive(Clone, Debug, Default)]
pub struct PluginChoice {
    /// The name of a configured or an embedded plugin, else a file with a component.
    pub plugin: Option<String>,
    /// The plugin's configuration, one JSON text.
    pub config: Option<String>,
}

/// The plugin of each kind, and for each snapshotter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRules {
    platform: PluginSpec,
    /// The one that the caller gave, for every snapshotter.
    given: Option<PluginSpec>,
    /// The configuration that the caller gave for the plugin that plans.
    given_config: Option<String>,
    soci_index_digest: Option<String>,
    configured: Vec<ConfiguredPlugin>,
}

impl PluginRules {
    /// Brings together what the caller gives and the configuration files.
    ///
    /// # Errors
    ///
    /// Fails if a plugin is of another kind than the one it is given for, and if a configuration is not JSON.
    pub fn resolve(
        flags: PluginFlags,
        files: &ConfigFiles,
        platforms: &Platforms,
    ) -> Result<Self, SettingsError> {
        let PluginFlags { snapshotter, platform, soci_index_digest, table: mut configured } = flags;
        for (plugin, _) in files.plugins() {
            if configured.iter().all(|known| known.spec.name != plugin.spec.name) {
                configured.push(plugin.clone());
            }
        }
        for (kind, config) in
            [(PluginKind::Snapshotter, &snapshotter.config), (PluginKind::Platform, &platform.config)]
        {
            if let Some(config) = config {
                serde_json::from_str::<serde::de::IgnoredAny>(config)
                    .map_err(|source| SettingsError::PluginConfig { kind, source })?;
            }
        }
        let mut rules = Self {
            platform: PluginSpec::new(PLATFORM, embedded(PLATFORM)),
            given: None,
            given_config: snapshotter.config,
            soci_index_digest,
            configured,
        };
        if let Some(value) = snapshotter.plugin {
            rules.given = Some(rules.named(PluginKind::Snapshotter, value)?);
        }
        if let Some(value) = platform.plugin {
            rules.platform = rules.named(PluginKind::Platform, value)?;
        } else if let Some(plugin) =
            rules.configured.iter().find(|plugin| plugin.kind == PluginKind::Platform)
        {
            rules.platform = plugin.spec.clone();
        }
        if let Some(config) = platform.config {
            rules.platform.config = config;
        } else if rules.platform.origin == embedded(PLATFORM) && rules.platform.config == "{}" {
            rules.platform.config = matcher_config(platforms);
        }
        Ok(rules)
    }

    /// The plugin that chooses the platform.
    pub fn platform(&self) -> &PluginSpec {
        &self.platform
    }

    /// The plugin that the caller gave to plan, whatever the snapshotter.
    pub fn given_planner(&self) -> Option<&PluginSpec> {
        self.given.as_ref()
    }

    /// The plugin that plans for the snapshotter registered under this name: the one that the caller gave, else the one
    /// whose `for` has the name, else the embedded one for the project that the name tells of, else the plain one.
    pub fn planner_for(&self, snapshotter: &SnapshotterName) -> PluginSpec {
        let serving = || self.configured.iter().find(|plugin| plugin.serves.contains(snapshotter));
        let mut spec = match (&self.given, serving()) {
            (Some(given), _) => given.clone(),
            (None, Some(plugin)) => plugin.spec.clone(),
            (None, None) => self.embedded(embedded_planner(snapshotter.as_str())),
        };
        if let Some(config) = &self.given_config {
            spec.config.clone_from(config);
        }
        if let Some(digest) = &self.soci_index_digest
            && spec.origin == embedded(SOCI)
        {
            spec.config = with_member(&spec.config, SOCI_INDEX, digest);
        }
        spec
    }

    /// Whether a plugin is configured for this snapshotter, or comes with dray for it. A plugin that the caller gave plans for
    /// whatever snapshotter is chosen, and so is for none of them.
    pub fn has_own_planner(&self, snapshotter: &SnapshotterName) -> bool {
        self.given.is_none() && self.planner_for(snapshotter).origin != embedded(super::snapshotters::PLAIN)
    }

    /// An embedded plugin. A table may configure it without naming snapshotters.
    fn embedded(&self, name: &'static str) -> PluginSpec {
        let origin = embedded(name);
        let configured = self.configured.iter().find(|plugin| plugin.spec.origin == origin);
        configured.map_or_else(|| PluginSpec::new(name, origin.clone()), |plugin| plugin.spec.clone())
    }

    fn named(&self, kind: PluginKind, value: String) -> Result<PluginSpec, SettingsError> {
        let (spec, found) =
            if let Some(plugin) = self.configured.iter().find(|plugin| plugin.spec.name == value) {
                (plugin.spec.clone(), plugin.kind)
            } else if let Some(origin) = PluginOrigin::embedded(&value) {
                let found = origin.embedded_kind().unwrap_or(kind);
                (PluginSpec::new(value, origin), found)
            } else {
                (PluginSpec::new(value.clone(), PluginOrigin::File(value.into())), kind)
            };
        if found != kind {
            return Err(SettingsError::WrongKind { name: spec.name, wanted: kind, found });
        }
        Ok(spec)
    }
}

/// The configuration with one member more, or replaced. What is no object stays as it is, for the plugin to refuse.
fn with_member(config: &str, member: &str, value: &str) -> String {
    let Ok(mut members) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(config) else {
        return config.to_owned();
    };
    members.insert(member.to_owned(), value.into());
    serde_json::Value::Object(members).to_string()
}

fn embedded(name: &'static str) -> PluginOrigin {
    PluginOrigin::Embedded(name)
}

/// The embedded matcher must be configured to accept everything. Other plugins have their own configuration.
fn matcher_config(platforms: &Platforms) -> String {
    let config = if matches!(platforms, Platforms::All { .. }) { r#"{"matcher":"all"}"# } else { "{}" };
    config.to_owned()
}
