//! Which plugin serves: that of the command line, else that of a configuration file, else an embedded one.

use dray_plugin_host::{PluginKind, PluginOrigin, PluginSpec};
use dray_ports::SnapshotterName;
use dray_pull::image::Platforms;

use super::settings::{ByKind, by_kind};
use super::snapshotters::embedded_planner;
use super::{ConfigFiles, ConfiguredPlugin, SettingsError};

/// The embedded plugin that chooses the platform.
const PLATFORM: &str = "platform";

/// What was typed about plugins.
#[derive(Clone, Debug, Default)]
pub struct PluginFlags {
    /// Every `--plugin`.
    pub plugins: Vec<String>,
    /// Every `--plugin-config`.
    pub configs: Vec<String>,
}

/// Which plugin serves as which kind, and for which snapshotter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRules {
    platform: PluginSpec,
    /// The one that was typed, for every snapshotter.
    typed: Option<PluginSpec>,
    /// The configuration that was typed for the plugin that plans.
    typed_config: Option<String>,
    configured: Vec<ConfiguredPlugin>,
}

impl PluginRules {
    /// Brings together what was typed and the configuration files.
    ///
    /// `--plugin KIND=VALUE` takes the name of a configured or an embedded plugin, else a file.
    ///
    /// # Errors
    ///
    /// Says which flag is at fault.
    pub fn resolve(
        flags: PluginFlags,
        files: &ConfigFiles,
        platforms: &Platforms,
    ) -> Result<Self, SettingsError> {
        let configured = files.plugins().into_iter().map(|(plugin, _)| plugin.clone()).collect();
        let typed = by_kind("--plugin", "NAME|FILE", flags.plugins)?;
        let ByKind { snapshotter: snapshotter_config, platform: platform_config } =
            by_kind("--plugin-config", "JSON", flags.configs)?;
        for (kind, config) in [("snapshotter", &snapshotter_config), ("platform", &platform_config)] {
            if let Some(config) = config {
                serde_json::from_str::<serde::de::IgnoredAny>(config)
                    .map_err(|source| SettingsError::PluginConfig { kind, source })?;
            }
        }
        let mut rules = Self {
            platform: PluginSpec::new(PLATFORM, embedded(PLATFORM)),
            typed: None,
            typed_config: snapshotter_config,
            configured,
        };
        if let Some(value) = typed.snapshotter {
            rules.typed = Some(rules.named(PluginKind::Snapshotter, value)?);
        }
        if let Some(value) = typed.platform {
            rules.platform = rules.named(PluginKind::Platform, value)?;
        } else if let Some(plugin) =
            rules.configured.iter().find(|plugin| plugin.kind == PluginKind::Platform)
        {
            rules.platform = plugin.spec.clone();
        }
        if let Some(config) = platform_config {
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

    /// The plugin that was typed to plan for whatever snapshotter.
    pub fn typed_planner(&self) -> Option<&PluginSpec> {
        self.typed.as_ref()
    }

    /// The plugin that plans for the snapshotter registered under this name: the one that was typed, else the one whose
    /// `for` has the name, else the embedded one for the project that the name tells of, else the plain one.
    pub fn planner_for(&self, snapshotter: &SnapshotterName) -> PluginSpec {
        let serving = || self.configured.iter().find(|plugin| plugin.serves.contains(snapshotter));
        let mut spec = match (&self.typed, serving()) {
            (Some(typed), _) => typed.clone(),
            (None, Some(plugin)) => plugin.spec.clone(),
            (None, None) => self.embedded(embedded_planner(snapshotter.as_str())),
        };
        if let Some(config) = &self.typed_config {
            spec.config.clone_from(config);
        }
        spec
    }

    /// An embedded plugin. A table may configure it without saying which snapshotters it is for.
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
            let (wanted, found) = (kind.as_str(), found.as_str());
            return Err(SettingsError::WrongKind { name: spec.name, wanted, found });
        }
        Ok(spec)
    }
}

fn embedded(name: &'static str) -> PluginOrigin {
    PluginOrigin::Embedded(name)
}

/// The embedded matcher accepts everything only if it is told to. Another one knows what it wants, or is configured.
fn matcher_config(platforms: &Platforms) -> String {
    let config = if matches!(platforms, Platforms::All { .. }) { r#"{"matcher":"all"}"# } else { "{}" };
    config.to_owned()
}
