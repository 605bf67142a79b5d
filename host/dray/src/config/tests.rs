use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::machine::Machine;
use dray_core::oci::Platform;
use dray_plugin_host::{PluginKind, PluginOrigin, PluginSpec};
use dray_ports::SnapshotterName;
use dray_pull::image::Platforms;
use dray_pull::pull::SnapshotterChoice;

fn host() -> Platform {
    Platform::new("linux", "amd64", "")
}

#[expect(clippy::unnecessary_wraps, reason = "that is how the environment holds a variable")]
fn variable(text: &str) -> Option<OsString> {
    Some(OsString::from(text))
}

fn overlayfs() -> SnapshotterName {
    SnapshotterName::new("overlayfs")
}

fn machine() -> Machine {
    Machine { platform: host(), is_root: true }
}

fn resolve(flags: Flags, environment: &Environment) -> Result<Settings, SettingsError> {
    Settings::resolve(flags, environment, &ConfigFiles::default(), &machine())
}

fn resolved(flags: Flags, environment: &Environment) -> Settings {
    resolve(flags, environment).unwrap()
}

fn refusal(flags: Flags) -> String {
    resolve(flags, &Environment::default()).unwrap_err().to_string()
}

fn daemon(flags: DaemonFlags, environment: &Environment) -> Result<DaemonSettings, SettingsError> {
    DaemonSettings::resolve(flags, environment, &ConfigFiles::default())
}

#[test]
fn defaults_apply_without_options() {
    let settings = resolved(Flags::default(), &Environment::default());
    assert_eq!(settings.platforms, Platforms::One(host()));
    assert!(settings.unpack);
    let by_default = |value: &str| Setting::by_default(value.to_owned());
    assert_eq!(settings.daemon.address, by_default("/run/containerd/containerd.sock"));
    assert_eq!(settings.daemon.namespace, by_default("default"));
    assert_eq!(settings.daemon.snapshotter, Setting::by_default(SnapshotterChoice::Default));
    assert_eq!(settings.compiled_store, None);
    assert_eq!(settings.plugins.planner_for(&overlayfs()).origin.to_string(), "embedded:overlayfs");
    let stargz = settings.plugins.planner_for(&SnapshotterName::new("stargz-v1"));
    assert_eq!((stargz.origin.to_string().as_str(), stargz.config.as_str()), ("embedded:stargz", "{}"));
}

/// The rule of precedence, and that each value says where it comes from.
#[test]
fn the_strongest_origin_decides() {
    let text = "address = '/file.sock'\nnamespace = 'file'\nsnapshotter = 'file'\nhosts-dirs = ['/file']\n";
    let path = Path::new("/etc/dray/dray.toml");
    let files = ConfigFiles::from(ConfigFile::parse(path, text).unwrap());
    let environment = Environment {
        address: variable("unix:///variable.sock"),
        namespace: variable("variable"),
        ..Environment::default()
    };
    let flags = DaemonFlags { address: Some("/given.sock".to_owned()), ..DaemonFlags::default() };
    let file = || SettingOrigin::File(path.to_owned());

    let settings = DaemonSettings::resolve(flags, &environment, &files).unwrap();
    let address = Setting { value: "/given.sock".to_owned(), origin: SettingOrigin::Given };
    assert_eq!(settings.address, address);
    let origin = SettingOrigin::Variable("CONTAINERD_NAMESPACE");
    assert_eq!(settings.namespace, Setting { value: "variable".to_owned(), origin });
    let value = SnapshotterChoice::Named(SnapshotterName::new("file"));
    assert_eq!(settings.snapshotter, Setting { value, origin: file() });

    let hosts_dirs = |flags, files| {
        RegistryAccess::resolve(flags, &Environment::default(), files, true).unwrap().hosts_dirs
    };
    let given = RegistryFlags { hosts_dirs: vec!["/given".into()], ..RegistryFlags::default() };
    assert_eq!(hosts_dirs(given, &files).origin, SettingOrigin::Given);
    let of_file = Setting { value: vec![PathBuf::from("/file")], origin: file() };
    assert_eq!(hosts_dirs(RegistryFlags::default(), &files), of_file);
    let origin = hosts_dirs(RegistryFlags::default(), &ConfigFiles::default()).origin;
    assert_eq!(origin, SettingOrigin::Default);
}

#[test]
fn an_option_wins_over_its_variable() {
    let environment = Environment {
        address: variable("unix:///env.sock"),
        namespace: variable("env"),
        snapshotter: variable("native"),
        ..Environment::default()
    };
    let from_variables = daemon(DaemonFlags::default(), &environment).unwrap();
    assert_eq!(from_variables.address.value, "/env.sock");
    assert_eq!(from_variables.namespace.value, "env");
    assert_eq!(from_variables.snapshotter.value, SnapshotterChoice::Named(SnapshotterName::new("native")));

    let given = DaemonFlags {
        address: Some("/flag.sock".to_owned()),
        namespace: Some("flag".to_owned()),
        snapshotter: Some("overlayfs".to_owned()),
    };
    let from_flags = daemon(given, &environment).unwrap();
    assert_eq!(from_flags.address.value, "/flag.sock");
    assert_eq!(from_flags.namespace.value, "flag");
    assert_eq!(from_flags.snapshotter.value, SnapshotterChoice::Named(SnapshotterName::new("overlayfs")));
}

#[test]
fn an_overridden_variable_may_be_invalid() {
    let broken = Some(OsString::from_vec(vec![0xff]));
    let environment = Environment { namespace: broken, ..Environment::default() };
    let error = daemon(DaemonFlags::default(), &environment).unwrap_err();
    assert_eq!(error.to_string(), "environment variable `CONTAINERD_NAMESPACE` is not valid UTF-8");
    let given = DaemonFlags { namespace: Some("x".to_owned()), ..DaemonFlags::default() };
    assert_eq!(daemon(given, &environment).unwrap().namespace.value, "x");
}

#[test]
fn empty_values_are_refused() {
    for (given, expected) in [
        (DaemonFlags { address: Some(String::new()), ..DaemonFlags::default() }, "the address of containerd"),
        (DaemonFlags { address: Some("unix://".to_owned()), ..DaemonFlags::default() }, "the address"),
        (DaemonFlags { namespace: Some(String::new()), ..DaemonFlags::default() }, "the namespace"),
        (DaemonFlags { snapshotter: Some(String::new()), ..DaemonFlags::default() }, "the name of the snap"),
    ] {
        let error = daemon(given, &Environment::default()).unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.ends_with("is empty"), "{error}");
    }
}

fn platforms(texts: &[&str]) -> PlatformFlags {
    PlatformFlags { platforms: texts.iter().map(|text| (*text).to_owned()).collect(), ..Default::default() }
}

#[test]
fn platforms_are_completed_from_the_host() {
    let with = |texts: &[&str]| platforms(texts).resolve(&host()).unwrap().to_string();
    assert_eq!(with(&["arm64"]), "linux/arm64");
    assert_eq!(with(&["linux/arm/v6"]), "linux/arm/v6");
    assert_eq!(with(&["amd64", "linux/x86_64", "arm64", "linux/aarch64"]), "linux/amd64, linux/arm64");
    let refused = |texts: &[&str]| refusal(Flags { platforms: platforms(texts), ..Flags::default() });
    assert_eq!(refused(&["no-such-thing"]), "cannot read a wanted platform");
    assert_eq!(refused(&[""]), "the platform is empty");
    let many: Vec<String> = (0..65).map(|number| format!("linux/arm/v{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&many), "there are 65 platforms, at most 64 are accepted");
}

#[test]
fn exactly_one_platform_is_unpacked() {
    let all = PlatformFlags { all: true, ..PlatformFlags::default() };
    for (platforms, unpack, expected) in [
        (PlatformFlags::default(), None, Some(true)),
        (PlatformFlags::default(), Some(false), Some(false)),
        (platforms(&["amd64", "linux/amd64"]), Some(true), Some(true)),
        (platforms(&["amd64", "arm64"]), None, Some(false)),
        (platforms(&["amd64", "arm64"]), Some(true), None),
        (all.clone(), None, Some(false)),
        (all, Some(true), None),
    ] {
        let flags = Flags { platforms, unpack, ..Flags::default() };
        let settings = resolve(flags.clone(), &Environment::default());
        assert_eq!(settings.ok().map(|settings| settings.unpack), expected, "{flags:?}");
    }
}

#[test]
fn the_matcher_is_configured_only_for_all_platforms() {
    let all = PlatformFlags { all: true, ..PlatformFlags::default() };
    let settings = resolved(Flags { platforms: all.clone(), ..Flags::default() }, &Environment::default());
    assert_eq!(settings.plugins.platform().config, r#"{"matcher":"all"}"#);
    let platform = PluginChoice { config: Some("{}".to_owned()), ..PluginChoice::default() };
    let plugins = PluginFlags { platform, ..PluginFlags::default() };
    let configured = Flags { platforms: all, plugins, ..Flags::default() };
    let settings = resolved(configured, &Environment::default());
    assert_eq!(settings.plugins.platform().config, "{}");
}

#[test]
fn a_plugin_serves_the_snapshotters_of_its_table_and_of_its_project() {
    let text = "[plugins.stargz]\nfor = ['lazy']\nconfig = { prefetchSize = 0 }\n";
    let file = ConfigFile::parse(Path::new("/etc/dray/dray.toml"), text).unwrap();
    let rules = PluginRules::resolve(PluginFlags::default(), &file.into(), &Platforms::One(host())).unwrap();
    for (snapshotter, origin, config) in [
        ("lazy", "embedded:stargz", r#"{"prefetchSize":0}"#),
        ("stargz", "embedded:stargz", r#"{"prefetchSize":0}"#),
        ("soci", "embedded:soci", "{}"),
        ("lazier", "embedded:overlayfs", "{}"),
    ] {
        let planner = rules.planner_for(&SnapshotterName::new(snapshotter));
        assert_eq!(
            (planner.origin.to_string().as_str(), planner.config.as_str()),
            (origin, config),
            "{snapshotter}"
        );
    }
}

#[test]
fn plugins_that_the_caller_gives() {
    let given = |plugin: Option<&str>, config: Option<&str>| PluginChoice {
        plugin: plugin.map(str::to_owned),
        config: config.map(str::to_owned),
    };
    let with = |snapshotter, platform| Flags {
        plugins: PluginFlags { snapshotter, platform, ..PluginFlags::default() },
        ..Flags::default()
    };
    let nothing = PluginChoice::default;
    let flags = with(given(Some("./mine.wasm"), None), given(None, Some(r#"{"matcher":"any"}"#)));
    let settings = resolved(flags, &Environment::default());
    let planner = settings.plugins.planner_for(&overlayfs());
    assert_eq!((planner.origin.to_string().as_str(), planner.config.as_str()), ("file:./mine.wasm", "{}"));
    let platform = settings.plugins.platform();
    assert_eq!(platform.origin.to_string(), "embedded:platform");
    assert_eq!(platform.config, r#"{"matcher":"any"}"#);

    assert_eq!(
        refusal(with(nothing(), given(Some("overlayfs"), None))),
        "plugin `overlayfs` is a snapshotter plugin, not a platform plugin"
    );
    assert_eq!(
        refusal(with(nothing(), given(None, Some("{")))),
        "the configuration of the platform plugin is not valid JSON"
    );
}

#[test]
fn the_digest_of_a_soci_index_counts_for_soci_only() {
    let text = "[plugins.soci]\nfor = ['lazy']\n[plugins.stargz]\nconfig = { hints = false }\n";
    let file = ConfigFile::parse(Path::new("/etc/dray/dray.toml"), text).unwrap();
    let flags = PluginFlags { soci_index_digest: Some("sha256:aa".to_owned()), ..PluginFlags::default() };
    let rules = PluginRules::resolve(flags, &file.into(), &Platforms::One(host())).unwrap();
    for (snapshotter, config) in [
        ("soci", r#"{"indexDigest":"sha256:aa"}"#),
        ("lazy", r#"{"indexDigest":"sha256:aa"}"#),
        ("stargz", r#"{"hints":false}"#),
        ("overlayfs", "{}"),
    ] {
        assert_eq!(rules.planner_for(&SnapshotterName::new(snapshotter)).config, config, "{snapshotter}");
    }
}

#[test]
fn the_image_decides_in_an_order_that_the_file_gives() {
    let text = "snapshotter = 'auto'\nsnapshotter-order = ['nydus', 'stargz']\n";
    let file = ConfigFile::parse(Path::new("/etc/dray/dray.toml"), text).unwrap();
    let settings =
        DaemonSettings::resolve(DaemonFlags::default(), &Environment::default(), &file.into()).unwrap();
    let order = ["nydus", "stargz"].map(SnapshotterName::new).into();
    assert_eq!(settings.snapshotter.value, SnapshotterChoice::Auto { order });
}

/// As a builder gives it: one table for both, and the caller's before that of a file.
#[test]
fn a_plugin_of_the_caller_comes_before_that_of_a_file() {
    let text = "[plugins.lazy]\nsource = 'file:/file.wasm'\nkind = 'snapshotter'\nfor = ['lazyfs']\n";
    let file = ConfigFile::parse(Path::new("/etc/dray/dray.toml"), text).unwrap();
    let spec = PluginSpec::new("lazy", PluginOrigin::File("/given.wasm".into()));
    let lazyfs = SnapshotterName::new("lazyfs");
    let plugin = ConfiguredPlugin { spec, kind: PluginKind::Snapshotter, serves: vec![lazyfs.clone()] };
    let flags = PluginFlags { table: vec![plugin], ..PluginFlags::default() };
    let rules = PluginRules::resolve(flags, &file.into(), &Platforms::One(host())).unwrap();
    assert_eq!(rules.planner_for(&lazyfs).origin.to_string(), "file:/given.wasm");
}

#[test]
fn directories_of_the_user_follow_xdg() {
    let home = Environment { home: variable("/home/u"), ..Environment::default() };
    let docker_config = |environment| credentials(environment).unwrap().docker_config;
    let settings = resolved(Flags::default(), &home);
    assert_eq!(docker_config(&home).as_deref(), Some(Path::new("/home/u/.docker/config.json")));
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/home/u/.cache/dray/compiled")));

    let both = Environment { docker_config: variable("/d"), cache_home: variable("/c"), ..home.clone() };
    let settings = resolved(Flags::default(), &both);
    assert_eq!(docker_config(&both).as_deref(), Some(Path::new("/d/config.json")));
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/c/dray/compiled")));

    let relative = Environment { cache_home: variable("c"), ..home };
    let settings = resolved(Flags::default(), &relative);
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/home/u/.cache/dray/compiled")));
}

#[test]
fn debug_output_has_no_password() {
    let environment = Environment {
        https_proxy: variable("http://u:secret@p"),
        docker_auth_config: variable(r#"{"auths":{"h":{"auth":"secret"}}}"#),
        ..Environment::default()
    };
    assert!(!format!("{environment:?}").contains("secret"));
    let settings =
        RegistryAccess::resolve(RegistryFlags::default(), &environment, &ConfigFiles::default(), true)
            .unwrap();
    assert!(settings.credentials.auth_config.as_deref().unwrap().contains("secret"));
    assert_eq!(settings.proxy.https.as_deref(), Some("http://u:secret@p"));
    assert!(!format!("{settings:?}").contains("secret"));
}
