use super::*;

fn parse(text: &str) -> Result<ConfigFile, String> {
    ConfigFile::parse(Path::new("/etc/dray/dray.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn every_member_is_read() {
    let file = parse(
        r#"
        address = "/run/c.sock"
        namespace = "k8s.io"
        snapshotter = "lazyfs"
        hosts-dirs = ["certs.d", "/etc/containerd/certs.d"]

        [plugins.lazy]
        source = "file:plugins/lazy.wasm"
        kind = "snapshotter"
        for = ["lazyfs", "lazyfs-2"]
        grants = []
        config = { keep-blobs = true, sizes = [1, 2.5], nested = { name = "x" } }

        [plugins.platform]
        config = { matcher = "any" }

        [plugins.plain]
        source = "embedded:overlayfs"
        "#,
    )
    .unwrap();
    assert_eq!(file.address.as_deref(), Some("/run/c.sock"));
    assert_eq!(file.namespace.as_deref(), Some("k8s.io"));
    assert_eq!(file.snapshotter.as_deref(), Some("lazyfs"));
    let hosts_dirs = ["/etc/dray/certs.d", "/etc/containerd/certs.d"].map(PathBuf::from);
    assert_eq!(file.hosts_dirs.as_deref(), Some(&hosts_dirs[..]));
    let plugins: Vec<String> = file
        .plugins
        .iter()
        .map(|ConfiguredPlugin { spec, kind, serves }| {
            let serves: Vec<&str> = serves.iter().map(SnapshotterName::as_str).collect();
            format!("{} {} {} {serves:?} {}", spec.name, kind.as_str(), spec.origin, spec.config)
        })
        .collect();
    assert_eq!(
        plugins,
        [
            r#"lazy snapshotter file:/etc/dray/plugins/lazy.wasm ["lazyfs", "lazyfs-2"] {"keep-blobs":true,"nested":{"name":"x"},"sizes":[1,2.5]}"#,
            "plain snapshotter embedded:overlayfs [] {}",
            r#"platform platform embedded:platform [] {"matcher":"any"}"#,
        ]
    );
    assert_eq!(parse("").unwrap().plugins, []);
}

#[test]
fn broken_rules_are_reported_with_their_position() {
    for (text, expected) in [
        ("adress = 'x'", "line 1, column 1: unknown field `adress`"),
        ("address = ''", "line 1, column 11: `address` is empty"),
        ("address = 5", "line 1, column 11: invalid type: integer `5`, expected a string"),
        ("a = \n", "line 1, column 5: "),
        ("namespace = 'ä'\nnamespace = 'b'", "line 2, column 1: duplicate key"),
        ("[plugins.x]\nsources = 'file:x'", "line 2, column 1: unknown field `sources`"),
        (
            "[plugins.x]",
            "line 1, column 10: plugin `x` is not embedded, so it needs `source = \"file:PATH\"`",
        ),
        ("[plugins.x]\nsource = 'file:x'", "line 1, column 10: plugin `x` needs `kind`"),
        (
            "[plugins.x]\nsource = 'x'",
            "line 2, column 10: source `x` is neither `file:PATH` nor `embedded:NAME`",
        ),
        ("[plugins.x]\nsource = 'embedded:y'", "line 2, column 10: this build has no embedded plugin `y`"),
        ("[plugins.overlayfs]\nkind = 'policy'", "line 2, column 8: there is no plugin kind `policy`"),
        ("[plugins.overlayfs]\ngrants = ['content']", "line 2, column 11: there is no grant `content`"),
        ("[plugins.overlayfs]\nfor = ['']", "line 2, column 8: `for` is empty"),
        ("[plugins.platform]\nfor = ['a']", "line 2, column 8: `for` lists snapshotters"),
        ("[plugins.overlayfs]\nconfig = { a = 1979-05-27 }", "line 2, column 10: `config` has a date"),
        (
            "[plugins.overlayfs]\nfor = ['a']\n[plugins.b]\nsource = 'embedded:overlayfs'\nfor = ['a']",
            "snapshotter `a` is in `for` of two plugins",
        ),
        (
            "[plugins.platform]\n[plugins.b]\nsource = 'embedded:platform'",
            "`b` and `platform` are both platform plugins",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.starts_with("`/etc/dray/dray.toml`, line ") && error.contains(expected),
            "{text}\n{error}"
        );
    }
}
