use super::failure::{Failure, Kind};
use dray::config::{PluginChoice, PluginFlags};
use dray::plugin::PluginKind;

/// Options of commands that run plugins of both kinds.
#[derive(Debug, clap::Args)]
pub(super) struct PluginOptions {
    /// Use this plugin for its kind, `snapshotter` or `platform`: the name of a configured or embedded plugin, or the
    /// file of a component
    #[arg(long = "plugin", value_name = "KIND=NAME|FILE")]
    plugins: Vec<String>,

    /// Configure the plugin of this kind; `dray plugin inspect --describe` shows the schema
    #[arg(long = "plugin-config", value_name = "KIND=JSON")]
    configs: Vec<String>,
}

impl PluginOptions {
    /// What they mean.
    pub(super) fn flags(self) -> Result<PluginFlags, Failure> {
        let mut flags = PluginFlags::default();
        give(&mut flags, "--plugin", "NAME|FILE", self.plugins, |choice| &mut choice.plugin)?;
        give(&mut flags, "--plugin-config", "JSON", self.configs, |choice| &mut choice.config)?;
        Ok(flags)
    }
}

/// Puts each `KIND=VALUE` into its place.
fn give(
    flags: &mut PluginFlags,
    flag: &str,
    form: &str,
    values: Vec<String>,
    place: impl Fn(&mut PluginChoice) -> &mut Option<String>,
) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::new(Kind::Usage, message));
    for value in values {
        let Some((kind, rest)) = value.split_once('=').filter(|(_, rest)| !rest.is_empty()) else {
            return wrong(format!("`{flag} {value}` is not of the form `KIND={form}`"));
        };
        let choice = match PluginKind::parse(kind) {
            Some(PluginKind::Snapshotter) => &mut flags.snapshotter,
            Some(PluginKind::Platform) => &mut flags.platform,
            None => {
                let known = "only `snapshotter` and `platform`";
                return wrong(format!("`{flag}`: there is no plugin kind `{kind}`, {known}"));
            }
        };
        if place(choice).replace(rest.to_owned()).is_some() {
            return wrong(format!("`{flag}` is given twice for plugin kind `{kind}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(plugins: &[&str], configs: &[&str]) -> Result<PluginFlags, Failure> {
        let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        PluginOptions { plugins: owned(plugins), configs: owned(configs) }.flags()
    }

    #[test]
    fn plugins_are_given_by_kind() {
        let flags = flags(&["snapshotter=./a=b.wasm"], &[r#"platform={"matcher":"any"}"#]).unwrap();
        assert_eq!(flags.snapshotter.plugin.as_deref(), Some("./a=b.wasm"));
        assert_eq!((flags.snapshotter.config, flags.platform.plugin), (None, None));
        assert_eq!(flags.platform.config.as_deref(), Some(r#"{"matcher":"any"}"#));
    }

    #[test]
    fn what_has_another_form_is_refused() {
        for (plugins, expected) in [
            (vec!["a.wasm"], "`--plugin a.wasm` is not of the form `KIND=NAME|FILE`"),
            (vec!["platform="], "`--plugin platform=` is not of the form `KIND=NAME|FILE`"),
            (
                vec!["policy=a.wasm"],
                "`--plugin`: there is no plugin kind `policy`, only `snapshotter` and `platform`",
            ),
            (vec!["platform=a", "platform=b"], "`--plugin` is given twice for plugin kind `platform`"),
        ] {
            let refused = flags(&plugins, &[]).unwrap_err();
            assert_eq!(refused, Failure::new(Kind::Usage, expected));
        }
    }
}
