use oci_spec::image as spec;
use proptest::prelude::*;

use super::*;

fn digest(c: &str) -> String {
    format!("sha256:{}", c.repeat(64))
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":3,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}]}}"#,
        digest("a")
    );
    let parsed = Index::parse(index.as_bytes()).unwrap();
    assert_eq!(parsed.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm/v7");
    assert!(matches!(AnyManifest::parse(index.as_bytes()), Err(DocumentError::OtherKind { .. })));
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}]}"#;
    assert!(matches!(AnyManifest::parse(schema1), Err(DocumentError::Schema1 { .. })));
    assert!(matches!(AnyManifest::parse(b"<html>"), Err(DocumentError::Json { .. })));
}

fn image(bytes: &[u8]) -> Manifest {
    match AnyManifest::parse(bytes).unwrap() {
        AnyManifest::Image(manifest) => *manifest,
        AnyManifest::Artifact { media_type } => panic!("it is of type {media_type}"),
    }
}

/// Go writes `null` for absent members and reads it as nothing.
#[test]
fn an_empty_config_is_read() {
    for text in ["{}", r#"{"os":null,"architecture":null,"variant":null,"rootfs":null,"config":null}"#] {
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform, Platform::new("", "", ""), "{text}");
        assert!(config.diff_ids.is_empty() && config.labels.is_empty());
    }
}

#[test]
fn null_members_are_absent_and_negative_sizes_are_refused() {
    let with = |size: i64| {
        format!(
            r#"{{"config":{{"mediaType":"{}","digest":"{}","size":{size},"annotations":null}},"layers":null}}"#,
            MediaType::OCI_CONFIG,
            digest("b")
        )
    };
    assert!(image(with(2).as_bytes()).layers.is_empty());
    let error = AnyManifest::parse(with(-1).as_bytes()).unwrap_err();
    assert!(
        matches!(error, DocumentError::Descriptor { source: DescriptorError::NegativeSize { .. }, .. }),
        "{error:?}"
    );
}

#[test]
fn image_config() {
    let text = format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{}"]}},"config":{{"Labels":{{"a":"b"}}}}}}"#,
        digest("c")
    );
    let config = ImageConfig::parse(text.as_bytes()).unwrap();
    assert_eq!(config.diff_ids.len(), 1);
    assert_eq!(config.labels["a"], "b");
    assert_eq!(config.platform.to_string(), "linux/amd64");
}

/// Other clients pull images with these configs.
#[test]
fn members_that_a_pull_does_not_need_may_have_any_type() {
    let deep = [vec![b'['; 300], vec![b']'; 300]].concat();
    let objects = [br#"{"a":"#.repeat(300), b"1".to_vec(), vec![b'}'; 300]].concat();
    let odd: [&[u8]; 9] = [
        br#""\udce9""#,
        br#""\ud83d\ud83d""#,
        b"\"caf\xe9\"",
        b"1e400",
        b"-1e-999999",
        b"123456789012345678901234567890",
        b"null",
        &deep,
        &objects,
    ];
    let (diff_id, key) = (digest("c"), br#""\udce9""#);
    for odd in odd {
        let config = [
            br#"{"os": "linux", "architecture": "amd64", "created": "#,
            odd,
            br#", "history": [{"created_by": "#,
            odd,
            b"}], ",
            key,
            b": ",
            odd,
            br#", "config": {"Labels": {"a": "b"}, "Env": ["#,
            odd,
            br#"], "Cmd": "#,
            odd,
            br#"}, "rootfs": {"type": "#,
            odd,
            br#", "diff_ids": [""#,
            diff_id.as_bytes(),
            br#""]}}"#,
        ]
        .concat();
        let what = String::from_utf8_lossy(odd).chars().take(40).collect::<String>();
        let config = ImageConfig::parse(&config).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(config.platform.to_string(), "linux/amd64", "{what}");
        assert_eq!((config.diff_ids.len(), config.labels["a"].as_str()), (1, "b"), "{what}");

        let descriptor = |media_type| {
            let (digest, members) = (digest("d"), [br#""size": 3, "data": "#, odd].concat());
            let head = format!(r#"{{"mediaType": "{media_type}", "digest": "{digest}", "#);
            [head.as_bytes(), &members, b"}"].concat()
        };
        let (config, layer) = (descriptor(MediaType::OCI_CONFIG), descriptor("text/plain"));
        let subject = [br#"{"subject": "#, odd, br#", "config": "#, &config, br#", "layers": ["#].concat();
        assert_eq!(image(&[subject.as_slice(), &layer, b"]}"].concat()).layers.len(), 1, "{what}");
        let index = [br#"{"subject": "#, odd, br#", "manifests": ["#, &layer, b"]}"].concat();
        assert_eq!(Index::parse(&index).unwrap().manifests.len(), 1, "{what}");
    }
}

/// Strings that a pull uses are read as Go reads them.
#[test]
fn null_strings_are_empty_and_broken_unicode_is_replaced() {
    let labels = br#"{"config": {"Labels": {"empty": null, "half \ud83d": "\udce9", "latin": "caf"#;
    let labels = [labels as &[u8], b"\xe9\"}}}"].concat();
    let expected = [("empty", ""), ("half \u{fffd}", "\u{fffd}"), ("latin", "caf\u{fffd}")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(ImageConfig::parse(&labels).unwrap().labels, expected.into_iter().collect());

    let entry = format!(
        r#"{{"mediaType": "{}", "digest": "{}", "size": 3, "annotations": {{"a": null}}, "urls": [null],
            "platform": {{"os": "linux", "architecture": "amd64", "os.features": [null]}}}}"#,
        MediaType::OCI_CONFIG,
        digest("a")
    );
    let index = format!(r#"{{"annotations": {{"b": null}}, "manifests": [{entry}]}}"#);
    let index = Index::parse(index.as_bytes()).unwrap();
    assert_eq!((index.annotations["b"].as_str(), index.manifests[0].annotations["a"].as_str()), ("", ""));
    assert_eq!(index.manifests[0].urls, [""]);
    assert_eq!(index.manifests[0].platform.as_ref().unwrap().os_features, [""]);
    let manifest = format!(r#"{{"annotations": {{"b": null}}, "config": {entry}, "layers": [{entry}]}}"#);
    assert_eq!(image(manifest.as_bytes()).annotations["b"], "");
}

/// A required digest must be one that can be verified.
#[test]
fn a_required_digest_must_be_verifiable() {
    for text in ["blake3:00", "sha256:00", ""] {
        let config = format!(r#"{{"rootfs": {{"diff_ids": ["{text}"]}}}}"#);
        assert!(matches!(ImageConfig::parse(config.as_bytes()), Err(DocumentError::Descriptor { .. })));
        assert!(ImageConfig::platform_of(config.as_bytes()).is_ok());
        let blob = |digest: &str| {
            format!(r#"{{"mediaType": "{}", "digest": "{digest}", "size": 1}}"#, MediaType::OCI_CONFIG)
        };
        let (good, bad) = (blob(digest("a").as_str()), blob(text));
        for (config, layer) in [(&good, &bad), (&bad, &good)] {
            let manifest = format!(r#"{{"config": {config}, "layers": [{layer}]}}"#);
            let error = AnyManifest::parse(manifest.as_bytes()).unwrap_err();
            assert!(matches!(error, DocumentError::Descriptor { .. }), "{error:?}");
        }
    }
}

/// Documents that the `oci-spec` crate writes are read with the same meaning.
mod as_specified {
    use super::*;

    fn any_digest() -> impl Strategy<Value = String> {
        let hex = |count: usize| proptest::string::string_regex(&format!("[0-9a-f]{{{count}}}")).unwrap();
        prop_oneof![
            hex(64).prop_map(|hex| format!("sha256:{hex}")),
            hex(96).prop_map(|hex| format!("sha384:{hex}")),
            hex(128).prop_map(|hex| format!("sha512:{hex}")),
        ]
    }

    fn any_platform() -> impl Strategy<Value = spec::Platform> {
        let word = || "[a-z0-9]{1,8}";
        // Without a version: the crate writes `osVersion`, the specification says `os.version`.
        (word(), word(), proptest::option::of("v[0-9]")).prop_map(|(os, architecture, variant)| {
            let mut platform = spec::PlatformBuilder::default()
                .os(spec::Os::from(os.as_str()))
                .architecture(spec::Arch::from(architecture.as_str()))
                .build()
                .unwrap();
            platform.set_variant(variant);
            platform
        })
    }

    fn any_descriptor(media_type: spec::MediaType) -> impl Strategy<Value = spec::Descriptor> {
        let annotations = proptest::collection::hash_map("[a-z./]{1,12}", "\\PC{0,12}", 0..3);
        (any_digest(), 1..1u64 << 40, proptest::option::of(annotations), proptest::option::of(any_platform()))
            .prop_map(move |(digest, size, annotations, platform)| {
                let digest: spec::Digest = digest.parse().unwrap();
                let mut descriptor = spec::Descriptor::new(media_type.clone(), size, digest);
                descriptor.set_annotations(annotations);
                descriptor.set_platform(platform);
                descriptor
            })
    }

    fn assert_same(ours: &Descriptor, theirs: &spec::Descriptor) {
        assert_eq!(ours.digest.as_str(), theirs.digest().to_string());
        assert_eq!(ours.size, theirs.size());
        assert_eq!(ours.media_type.as_str(), theirs.media_type().to_string());
        let annotations = theirs.annotations().clone().unwrap_or_default();
        assert_eq!(ours.annotations, annotations.into_iter().collect());
        let platform = theirs.platform().as_ref().map(|platform| Platform {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone().unwrap_or_default(),
            ..Platform::default()
        });
        assert_eq!(ours.platform, platform);
    }

    proptest! {
        #[test]
        fn index(entries in proptest::collection::vec(any_descriptor(spec::MediaType::ImageManifest), 0..5)) {
            let index = spec::ImageIndexBuilder::default()
                .schema_version(spec::SCHEMA_VERSION)
                .media_type(spec::MediaType::ImageIndex)
                .manifests(entries.clone())
                .build()
                .unwrap();
            let parsed = Index::parse(index.to_string().unwrap().as_bytes()).unwrap();
            prop_assert_eq!(parsed.manifests.len(), entries.len());
            parsed.manifests.iter().zip(&entries).for_each(|(ours, theirs)| assert_same(ours, theirs));
        }

        #[test]
        fn manifest(
            config in any_descriptor(spec::MediaType::ImageConfig),
            layers in proptest::collection::vec(any_descriptor(spec::MediaType::ImageLayerZstd), 0..5),
        ) {
            let manifest = spec::ImageManifestBuilder::default()
                .schema_version(spec::SCHEMA_VERSION)
                .config(config.clone())
                .layers(layers.clone())
                .build()
                .unwrap();
            let parsed = image(manifest.to_string().unwrap().as_bytes());
            assert_same(&parsed.config, &config);
            prop_assert_eq!(parsed.layers.len(), layers.len());
            parsed.layers.iter().zip(&layers).for_each(|(ours, theirs)| assert_same(ours, theirs));
        }

        #[test]
        fn image_config(diff_ids in proptest::collection::vec(any_digest(), 0..5)) {
            let rootfs = spec::RootFsBuilder::default().typ("layers").diff_ids(diff_ids.clone()).build().unwrap();
            let config = spec::ImageConfigurationBuilder::default()
                .os(spec::Os::Linux)
                .architecture(spec::Arch::ARM64)
                .rootfs(rootfs)
                .build()
                .unwrap();
            let parsed = ImageConfig::parse(config.to_string().unwrap().as_bytes()).unwrap();
            prop_assert_eq!(parsed.platform.to_string(), "linux/arm64");
            prop_assert_eq!(parsed.diff_ids.iter().map(|d| d.as_str().to_owned()).collect::<Vec<_>>(), diff_ids);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let _ = (Index::parse(bytes), AnyManifest::parse(bytes), ImageConfig::parse(bytes));
            }
        }
    }
}
