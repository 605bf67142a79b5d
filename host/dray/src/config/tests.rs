use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::*;
use dray_core::oci::Platform;
use dray_ports::SnapshotterName;
use dray_pull::image::Platforms;

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

fn flags(reference: &str) -> PullFlags {
    PullFlags { name: reference.to_owned(), is_reference: true, ..PullFlags::default() }
}

fn resolved(flags: PullFlags, environment: &Environment) -> PullSettings {
    PullSettings::resolve(flags, environment, &ConfigFiles::default(), &host()).unwrap()
}

fn refusal(flags: PullFlags) -> String {
    PullSettings::resolve(flags, &Environment::default(), &ConfigFiles::default(), &host())
        .unwrap_err()
        .to_string()
}

#[test]
fn defaults() {
    let settings = resolved(flags("debian"), &Environment::default());
    assert_eq!(settings.name, "debian");
    assert_eq!(settings.platforms, Platforms::One(host()));
    assert!(settings.unpack);
    assert_eq!(settings.daemon.address, "/run/containerd/containerd.sock");
    assert_eq!(settings.daemon.namespace, "default");
    assert_eq!(settings.daemon.snapshotter, None);
    assert_eq!(settings.compiled_store, None);
    assert_eq!(settings.plugins.planner_for(&overlayfs()).origin.to_string(), "embedded:overlayfs");
    let stargz = settings.plugins.planner_for(&SnapshotterName::new("stargz-v1"));
    assert_eq!((stargz.origin.to_string().as_str(), stargz.config.as_str()), ("embedded:stargz", "{}"));
}

#[test]
fn a_flag_comes_before_its_variable() {
    let environment = Environment {
        address: variable("unix:///env.sock"),
        namespace: variable("env"),
        snapshotter: variable("native"),
        ..Environment::default()
    };
    let from_variables =
        DaemonSettings::resolve(DaemonFlags::default(), &environment, &ConfigFiles::default()).unwrap();
    assert_eq!(from_variables.address, "/env.sock");
    assert_eq!(from_variables.namespace, "env");
    assert_eq!(from_variables.snapshotter.unwrap().as_str(), "native");

    let typed = DaemonFlags {
        address: Some("/flag.sock".to_owned()),
        namespace: Some("flag".to_owned()),
        snapshotter: Some("overlayfs".to_owned()),
    };
    let from_flags = DaemonSettings::resolve(typed, &environment, &ConfigFiles::default()).unwrap();
    assert_eq!(from_flags.address, "/flag.sock");
    assert_eq!(from_flags.namespace, "flag");
    assert_eq!(from_flags.snapshotter.unwrap().as_str(), "overlayfs");
}

#[test]
fn an_unused_variable_may_be_anything() {
    let broken = Some(OsString::from_vec(vec![0xff]));
    let environment = Environment { namespace: broken, ..Environment::default() };
    let error =
        DaemonSettings::resolve(DaemonFlags::default(), &environment, &ConfigFiles::default()).unwrap_err();
    assert_eq!(error.to_string(), "environment variable `CONTAINERD_NAMESPACE` is not valid UTF-8");
    let typed = DaemonFlags { namespace: Some("x".to_owned()), ..DaemonFlags::default() };
    assert_eq!(DaemonSettings::resolve(typed, &environment, &ConfigFiles::default()).unwrap().namespace, "x");
}

#[test]
fn nothing_may_be_empty() {
    for (typed, expected) in [
        (DaemonFlags { address: Some(String::new()), ..DaemonFlags::default() }, "the address of containerd"),
        (DaemonFlags { address: Some("unix://".to_owned()), ..DaemonFlags::default() }, "the address"),
        (DaemonFlags { namespace: Some(String::new()), ..DaemonFlags::default() }, "the namespace"),
        (DaemonFlags { snapshotter: Some(String::new()), ..DaemonFlags::default() }, "the name of the snap"),
    ] {
        let error = DaemonSettings::resolve(typed, &Environment::default(), &ConfigFiles::default())
            .unwrap_err()
            .to_string();
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
    let refused = refusal(PullFlags { platforms: platforms(&["no-such-thing"]), ..flags("x") });
    assert_eq!(refused, "cannot read the value of `--platform`");
    assert_eq!(refusal(PullFlags { platforms: platforms(&[""]), ..flags("x") }), "the platform is empty");
    let many: Vec<String> = (0..65).map(|number| format!("linux/arm/v{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = refusal(PullFlags { platforms: platforms(&many), ..flags("x") });
    assert_eq!(refused, "there are 65 platforms, at most 64 are accepted");
    assert_eq!(refusal(flags("Debian")), "cannot read the image reference");
    let by_id = PullFlags { is_reference: false, ..flags("sha256:0123") };
    assert_eq!(resolved(by_id, &Environment::default()).name, "sha256:0123");
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
        let flags = PullFlags { platforms, unpack, ..flags("x") };
        let settings =
            PullSettings::resolve(flags.clone(), &Environment::default(), &ConfigFiles::default(), &host());
        assert_eq!(settings.ok().map(|settings| settings.unpack), expected, "{flags:?}");
    }
}

#[test]
fn only_for_all_platforms_the_matcher_is_configured() {
    let all = PlatformFlags { all: true, ..PlatformFlags::default() };
    let settings = resolved(PullFlags { platforms: all.clone(), ..flags("x") }, &Environment::default());
    assert_eq!(settings.plugins.platform().config, r#"{"matcher":"all"}"#);
    let plugins = PluginFlags { configs: vec!["platform={}".to_owned()], ..PluginFlags::default() };
    let configured = PullFlags { platforms: all, plugins, ..flags("x") };
    let settings = resolved(configured, &Environment::default());
    assert_eq!(settings.plugins.platform().config, "{}");
}

#[test]
fn a_plugin_serves_the_snapshotters_of_its_table_and_of_its_project() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dray.toml");
    std::fs::write(&path, "[plugins.stargz]\nfor = ['lazy']\nconfig = { prefetchSize = 0 }\n").unwrap();
    let files = ConfigFiles::load(Some(&path), &Environment::default()).unwrap();
    let settings = PullSettings::resolve(flags("x"), &Environment::default(), &files, &host()).unwrap();
    for (snapshotter, origin, config) in [
        ("lazy", "embedded:stargz", r#"{"prefetchSize":0}"#),
        ("stargz", "embedded:stargz", r#"{"prefetchSize":0}"#),
        ("soci", "embedded:soci", "{}"),
        ("lazier", "embedded:overlayfs", "{}"),
    ] {
        let planner = settings.plugins.planner_for(&SnapshotterName::new(snapshotter));
        assert_eq!(
            (planner.origin.to_string().as_str(), planner.config.as_str()),
            (origin, config),
            "{snapshotter}"
        );
    }
}

#[test]
fn plugins_are_given_by_kind() {
    let settings = resolved(
        PullFlags {
            plugins: PluginFlags {
                plugins: vec!["snapshotter=./a=b.wasm".to_owned()],
                configs: vec![r#"platform={"matcher":"any"}"#.to_owned()],
            },
            ..flags("x")
        },
        &Environment::default(),
    );
    let planner = settings.plugins.planner_for(&overlayfs());
    assert_eq!((planner.origin.to_string().as_str(), planner.config.as_str()), ("file:./a=b.wasm", "{}"));
    let platform = settings.plugins.platform();
    assert_eq!(platform.origin.to_string(), "embedded:platform");
    assert_eq!(platform.config, r#"{"matcher":"any"}"#);

    for (values, expected) in [
        (vec!["a.wasm"], "`--plugin a.wasm` is not of the form `KIND=NAME|FILE`"),
        (vec!["platform="], "`--plugin platform=` is not of the form `KIND=NAME|FILE`"),
        (
            vec!["policy=a.wasm"],
            "`--plugin`: there is no plugin kind `policy`, only `snapshotter` and `platform`",
        ),
        (vec!["platform=overlayfs"], "plugin `overlayfs` is a snapshotter plugin, not a platform plugin"),
        (vec!["platform=a", "platform=b"], "`--plugin` is given twice for plugin kind `platform`"),
    ] {
        let plugins = values.into_iter().map(str::to_owned).collect();
        let plugins = PluginFlags { plugins, ..PluginFlags::default() };
        assert_eq!(refusal(PullFlags { plugins, ..flags("x") }), expected);
    }
    let plugins = PluginFlags { configs: vec!["platform={".to_owned()], ..PluginFlags::default() };
    assert_eq!(
        refusal(PullFlags { plugins, ..flags("x") }),
        "`--plugin-config`: the configuration of the platform plugin is not valid JSON"
    );
}

#[test]
fn folders_of_the_user() {
    let home = Environment { home: variable("/home/u"), ..Environment::default() };
    let docker_config = |environment| CredentialPlaces::resolve(environment).unwrap().docker_config;
    let settings = resolved(flags("x"), &home);
    assert_eq!(docker_config(&home).as_deref(), Some(Path::new("/home/u/.docker/config.json")));
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/home/u/.cache/dray/compiled")));

    let both = Environment { docker_config: variable("/d"), cache_home: variable("/c"), ..home.clone() };
    let settings = resolved(flags("x"), &both);
    assert_eq!(docker_config(&both).as_deref(), Some(Path::new("/d/config.json")));
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/c/dray/compiled")));

    let relative = Environment { cache_home: variable("c"), ..home };
    let settings = resolved(flags("x"), &relative);
    assert_eq!(settings.compiled_store.as_deref(), Some(Path::new("/home/u/.cache/dray/compiled")));
}

#[test]
fn passwords_in_variables_do_not_show_themselves() {
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
    assert_eq!(settings.proxies.https.as_deref(), Some("http://u:secret@p"));
    assert!(!format!("{settings:?}").contains("secret"));
}
