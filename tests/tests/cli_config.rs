//! Configuration files: which ones are read, and what they set.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;

/// A command with this file as the user's configuration.
fn with_file(text: &str) -> Dray {
    let dray = Dray::new();
    let folder = dray.directory().join("config/dray");
    std::fs::create_dir(&folder).expect("a folder can be made");
    std::fs::write(folder.join("dray.toml"), text).expect("a file can be written");
    dray
}

#[test]
fn config_show_prints_values_and_their_sources() {
    let dray = with_file(
        "address = '/file.sock'\nnamespace = 'file'\nhosts-dirs = ['certs.d']\n\
         [plugins.lazy]\nsource = 'file:lazy.wasm'\nkind = 'snapshotter'\nfor = ['lazyfs']\n",
    )
    .env("CONTAINERD_NAMESPACE", "variable");
    let run = dray.run(["--snapshotter", "flag", "config", "show", "--format", "json"]);
    insta::assert_snapshot!(run, @r#"
    exit code: 0
    --- stdout
    {
      "files": [
        "[HOME]/config/dray/dray.toml"
      ],
      "values": [
        {
          "name": "address",
          "value": "/file.sock",
          "from": "[HOME]/config/dray/dray.toml"
        },
        {
          "name": "namespace",
          "value": "variable",
          "from": "CONTAINERD_NAMESPACE"
        },
        {
          "name": "snapshotter",
          "value": "flag",
          "from": "--snapshotter"
        },
        {
          "name": "hosts-dirs",
          "value": "[HOME]/config/dray/certs.d",
          "from": "[HOME]/config/dray/dray.toml"
        },
        {
          "name": "plugins.lazy",
          "value": "snapshotter plugin, file:[HOME]/config/dray/lazy.wasm, for lazyfs",
          "from": "[HOME]/config/dray/dray.toml"
        }
      ]
    }
    --- stderr
    "#);
}

#[test]
fn an_explicit_file_replaces_the_others() {
    let dray = with_file("namespace = 'user'\n");
    let named = dray.directory().join("named.toml");
    std::fs::write(&named, "address = '/named.sock'\n").expect("a file can be written");
    let named = named.to_str().expect("it is text");
    for run in [
        dray.run(["config", "show", "--config", named]),
        with_file("namespace = 'user'\n").env("DRAY_CONFIG", named).run(["config", "show"]),
    ] {
        let shown = &run.stdout;
        assert!(shown.contains("/named.sock") && !shown.contains("user"), "{run}");
    }
    insta::assert_snapshot!(dray.run(["config", "show", "--config", "/no/such/file.toml"]), @r#"
    exit code: 3
    --- stdout
    --- stderr
    error: cannot read the configuration file `/no/such/file.toml`
      1: No such file or directory (os error 2)
    hint: correct it, or use another file with `--config`; `docs/cli.md` lists the members
    "#);
}

#[test]
fn an_unknown_member_is_refused_with_its_position() {
    insta::assert_snapshot!(with_file("namespace = 'a'\nsnapshoter = 'b'\n").run(["pull", "debian"]), @r"
    exit code: 3
    --- stdout
    --- stderr
    error: `[HOME]/config/dray/dray.toml`, line 2, column 1: unknown field `snapshoter`, expected one of `address`, `namespace`, `snapshotter`, `snapshotter-order`, `hosts-dirs`, `plugins`
    hint: correct it, or use another file with `--config`; `docs/cli.md` lists the members
    ");
    let version = with_file("snapshoter = 'b'\n").run(["version"]);
    version.success();
}

#[test]
fn files_in_the_working_directory_are_ignored() {
    let dray = Dray::new();
    std::fs::write(dray.directory().join("dray.toml"), "namespace = 'here'\n")
        .expect("a file can be written");
    let run = dray.run(["config", "show"]);
    assert!(!run.stdout.contains("here"), "{run}");
}

#[test]
fn a_plugin_is_chosen_by_the_name_of_the_snapshotter() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let layer = Layer::builder().entry(Entry::file("a", "a")).build(Compression::Gzip);
    registry.add(&Image::builder("linux/amd64").layer(layer).build(), "app", "1");
    let name = registry.image("app:1");
    let file =
        "[plugins.mine]\nsource = 'file:/no/such/plugin.wasm'\nkind = 'snapshotter'\nfor = ['native']\n";
    let dray = with_file(file).args(["-a", &daemon.socket().display().to_string()]);
    // The plugin for another snapshotter is not even read.
    dray.run(["pull", &name]).success();
    let run = dray.run(["pull", "--snapshotter", "native", &name]);
    assert!(!run.status.success() && run.stderr.contains("/no/such/plugin.wasm"), "{run}");
    dray.run(["pull", "--snapshotter", "native", "--plugin", "snapshotter=overlayfs", &name]).success();
    let run = dray.run(["pull", "--plugin", "snapshotter=mine", &name]);
    assert!(run.stderr.contains("/no/such/plugin.wasm"), "{run}");
    let run = dray.run(["pull", "--plugin", "platform=overlayfs", &name]);
    assert!(run.stderr.contains("plugin `overlayfs` is a snapshotter plugin"), "{run}");
}
