use oci_spec::image as spec;
use proptest::prelude::*;

use super::*;

fn digest(c: &str) -> String {
    format!("sha256:{}", c.repeat(64))
}

#[test]
fn kinds_are_not_confused() {
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":3,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}]}}"#,
        digest("a")
    );
    let parsed = Index::parse(index.as_bytes()).unwrap();
    assert_eq!(parsed.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm/v7");
    assert!(matches!(Manifest::parse(index.as_bytes()), Err(DocumentError::OtherKind { .. })));
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}]}"#;
    assert!(matches!(Manifest::parse(schema1), Err(DocumentError::Schema1 { .. })));
    assert!(matches!(Manifest::parse(b"<html>"), Err(DocumentError::Json { .. })));
}

/// What Go writes for what it does not know, and reads as nothing.
#[test]
fn a_config_that_says_nothing() {
    for text in ["{}", r#"{"os":null,"architecture":null,"variant":null,"rootfs":null,"config":null}"#] {
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform, Platform::new("", "", ""), "{text}");
        assert!(config.diff_ids.is_empty() && config.labels.is_empty());
    }
}

#[test]
fn null_members_and_negative_sizes() {
    let with = |size: i64| {
        format!(
            r#"{{"config":{{"mediaType":"x","digest":"{}","size":{size},"annotations":null}},"layers":null}}"#,
            digest("b")
        )
    };
    assert!(Manifest::parse(with(2).as_bytes()).unwrap().layers.is_empty());
    assert!(matches!(Manifest::parse(with(-1).as_bytes()), Err(DocumentError::NegativeSize { .. })));
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

/// Documents as the types of the `oci-spec` crate write them are read with the same meaning.
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
            let parsed = Manifest::parse(manifest.to_string().unwrap().as_bytes()).unwrap();
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
                let _ = (Index::parse(bytes), Manifest::parse(bytes), ImageConfig::parse(bytes));
            }
        }
    }
}
