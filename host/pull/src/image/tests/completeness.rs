use super::*;

async fn survey(fixture: &Fixture, target: &Descriptor, platforms: Platforms) -> Completeness {
    try_survey(fixture, target, platforms).await.unwrap()
}

async fn try_survey(
    fixture: &Fixture,
    target: &Descriptor,
    platforms: Platforms,
) -> Result<Completeness, ImageError> {
    let strict = matcher();
    let matcher: &dyn PlatformMatcher =
        if matches!(platforms, Platforms::All { .. }) { &Everything } else { &strict };
    scrutinise(fixture, matcher, target, &platforms, Scrutiny::LastByte).await
}

async fn scrutinise(
    fixture: &Fixture,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    platforms: &Platforms,
    scrutiny: Scrutiny,
) -> Result<Completeness, ImageError> {
    completeness(&fixture.store(), matcher, &[snapshotter()], target, platforms, scrutiny).await
}

fn these(architectures: &[&str]) -> Platforms {
    Platforms::listed(architectures.iter().map(|architecture| linux(architecture))).unwrap()
}

fn all() -> Platforms {
    Platforms::All { host: linux("amd64"), attestations: false }
}

fn missing(found: &Completeness) -> Vec<(BlobRole, Digest, bool)> {
    found.missing_blobs().map(|blob| (blob.role, blob.descriptor.digest, blob.unpacked)).collect()
}

#[tokio::test]
async fn an_image_with_everything() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 3);
    let index = fixture.index(&[(&image.manifest, Some("amd64"))]);

    let found = survey(&fixture, &index, these(&["amd64"])).await;
    assert!(found.is_complete() && found.has_all_blobs() && !found.is_unpacked());
    let state = &found.manifests[0];
    assert_eq!(state.missing_snapshots, image.chain);
    let blobs = [&image.manifest, &image.config].into_iter().chain(&image.layers);
    assert_eq!(state.size, Some(blobs.map(|blob| blob.size).sum()));
    assert_eq!(state.platform, Some(linux("amd64")));

    fixture.unpack(&image, 1);
    let found = survey(&fixture, &index, these(&["amd64"])).await;
    assert_eq!(found.manifests[0].missing_snapshots, image.chain[1..]);
    assert!(!found.is_unpacked());
    fixture.unpack(&image, 3);
    let found = survey(&fixture, &index, these(&["amd64"])).await;
    assert!(found.manifests[0].missing_snapshots.is_empty() && found.is_unpacked());
}

#[tokio::test]
async fn a_layer_that_is_unpacked_needs_no_blob() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 3);
    fixture.unpack(&image, 2);
    fixture.remove(&image.layers[0]);
    let found = survey(&fixture, &image.manifest, these(&["amd64"])).await;
    assert_eq!(missing(&found), [(BlobRole::Layer, image.layers[0].digest.clone(), true)]);
    assert!(found.is_complete() && !found.has_all_blobs());

    fixture.remove(&image.layers[2]);
    let found = survey(&fixture, &image.manifest, these(&["amd64"])).await;
    assert_eq!(missing(&found)[1], (BlobRole::Layer, image.layers[2].digest.clone(), false));
    assert!(!found.is_complete());

    fixture.unpack(&image, 3);
    let found = survey(&fixture, &image.manifest, these(&["amd64"])).await;
    assert!(found.is_complete() && found.is_unpacked());
}

#[tokio::test]
async fn documents_that_are_missing() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 2);
    let index = fixture.index(&[(&image.manifest, Some("amd64"))]);
    fixture.unpack(&image, 2);

    // Only the config says what the snapshots are called.
    fixture.remove(&image.config);
    fixture.remove(&image.layers[1]);
    let found = survey(&fixture, &index, these(&["amd64"])).await;
    assert_eq!(
        missing(&found),
        [
            (BlobRole::Config, image.config.digest.clone(), false),
            (BlobRole::Layer, image.layers[1].digest.clone(), false)
        ]
    );
    assert!(!found.is_complete() && !found.is_unpacked());

    fixture.remove(&image.manifest);
    let found = survey(&fixture, &index, these(&["amd64"])).await;
    assert_eq!(missing(&found), [(BlobRole::Manifest, image.manifest.digest.clone(), false)]);
    assert_eq!((found.manifests[0].size, &found.manifests[0].platform), (None, &Some(linux("amd64"))));

    fixture.remove(&index);
    for wanted in [these(&["amd64", "arm64"]), all()] {
        let found = survey(&fixture, &index, wanted).await;
        assert_eq!(missing(&found), [(BlobRole::Index, index.digest.clone(), false)]);
        assert!(found.manifests.is_empty() && !found.is_complete() && !found.is_unpacked());
    }
}

#[tokio::test]
async fn documents_that_are_damaged() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 2);
    let index = fixture.index(&[(&image.manifest, Some("amd64"))]);
    let damaged = || async {
        let found = survey(&fixture, &index, these(&["amd64"])).await;
        assert!(!found.is_complete() && missing(&found).is_empty());
        found.damaged_blobs().map(|blob| (blob.role, blob.descriptor.digest.clone())).collect::<Vec<_>>()
    };
    for (role, blob) in
        [(BlobRole::Config, &image.config), (BlobRole::Manifest, &image.manifest), (BlobRole::Index, &index)]
    {
        for cut in [Some(0), Some(10), None] {
            fixture.damage(blob, cut);
            assert_eq!(damaged().await, [(role, blob.digest.clone())], "{cut:?}");
        }
    }
}

#[tokio::test]
async fn how_closely_layers_are_looked_at() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 3);
    fixture.unpack(&image, 1);
    let strict = matcher();
    let damaged = |scrutiny| {
        let (fixture, strict, image) = (&fixture, &strict, &image);
        async move {
            let wanted = these(&["amd64"]);
            let found = scrutinise(fixture, strict, &image.manifest, &wanted, scrutiny).await.unwrap();
            let damaged = found.damaged_blobs().map(|blob| (blob.descriptor.digest.clone(), blob.unpacked));
            (damaged.collect::<Vec<_>>(), found.is_complete())
        }
    };
    let (bottom, cut, changed) =
        (image.layers[0].digest.clone(), image.layers[1].digest.clone(), image.layers[2].digest.clone());
    fixture.damage(&image.layers[0], Some(3));
    assert_eq!(damaged(Scrutiny::Records).await, (vec![], true));
    assert_eq!(damaged(Scrutiny::LastByte).await, (vec![(bottom.clone(), true)], true));
    fixture.damage(&image.layers[1], Some(0));
    fixture.damage(&image.layers[2], None);
    let (at_end, anywhere) = (
        vec![(bottom, true), (cut, false)],
        vec![
            (image.layers[0].digest.clone(), true),
            (image.layers[1].digest.clone(), false),
            (changed, false),
        ],
    );
    assert_eq!(damaged(Scrutiny::LastByte).await, (at_end, false));
    assert_eq!(damaged(Scrutiny::EveryByte).await, (anywhere, false));
}

#[tokio::test]
async fn several_platforms_and_all_of_them() {
    let fixture = Fixture::default();
    let (amd64, arm64) = (fixture.image("a", "amd64", 1), fixture.image("b", "arm64", 1));
    let (arm, attestation) = (fixture.image("c", "arm", 1), fixture.image("d", "unknown", 1));
    let inner = fixture.index(&[(&arm64.manifest, Some("arm64"))]);
    let entries = [
        (&amd64.manifest, Some("amd64")),
        (&inner, Some("arm64")),
        (&attestation.manifest, Some("unknown")),
        (&arm.manifest, Some("arm")),
    ];
    let index = fixture.index(&entries);
    for image in [&attestation, &arm] {
        fixture.remove(&image.manifest);
    }
    let manifests = |found: &Completeness| -> Vec<Digest> {
        found.manifests.iter().map(|state| state.manifest.digest.clone()).collect()
    };

    let found = survey(&fixture, &index, these(&["arm64", "amd64", "arm64"])).await;
    assert_eq!(manifests(&found), [arm64.manifest.digest.clone(), amd64.manifest.digest.clone()]);
    assert!(found.is_complete());

    let found = survey(&fixture, &index, all()).await;
    assert_eq!(manifests(&found), [&amd64, &arm64, &arm].map(|image| image.manifest.digest.clone()));
    assert_eq!(missing(&found), [(BlobRole::Manifest, arm.manifest.digest.clone(), false)]);

    let error = try_survey(&fixture, &index, these(&["s390x"])).await.unwrap_err();
    assert!(matches!(&error, ImageError::NoPlatform { offered, .. } if offered.len() == 3), "{error:?}");
}

#[tokio::test]
async fn an_entry_without_platform_is_what_its_config_says() {
    let fixture = Fixture::default();
    let (amd64, arm64) = (fixture.image("a", "amd64", 1), fixture.image("b", "arm64", 1));
    let index = fixture.index(&[(&amd64.manifest, None), (&arm64.manifest, None)]);
    let found = survey(&fixture, &index, these(&["arm64", "s390x"])).await;
    assert_eq!(found.manifests.len(), 1);
    assert_eq!(found.manifests[0].platform, Some(linux("arm64")));
    assert_eq!(survey(&fixture, &index, all()).await.manifests.len(), 2);
    let error = try_survey(&fixture, &index, these(&["s390x"])).await.unwrap_err();
    assert!(
        matches!(&error, ImageError::NoPlatform { offered, .. } if *offered == [linux("amd64"), linux("arm64")]),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_platform_of_an_image_without_index() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 1);
    for (wanted, fits) in [(these(&["amd64"]), true), (these(&["arm64"]), false), (all(), true)] {
        let found = survey(&fixture, &image.manifest, wanted).await;
        let state = &found.manifests[0];
        assert_eq!((state.fits, &state.platform), (fits, &Some(linux("amd64"))));
    }
}

#[tokio::test]
async fn what_an_unpacked_image_takes() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 3);
    let size = || async {
        let size = unpacked_image_size(&fixture.0, &snapshotter(), &image.diff_ids).await.unwrap();
        size.map(|usage| (usage.bytes, usage.inodes))
    };
    assert_eq!(size().await, None);
    fixture.unpack(&image, 2);
    assert_eq!(size().await, None);
    fixture.unpack(&image, 3);
    assert_eq!(size().await, Some((300, 9)));
    let nothing = unpacked_image_size(&fixture.0, &snapshotter(), &[]).await.unwrap();
    assert_eq!(nothing, Some(dray_ports::Usage::default()));
}

#[tokio::test]
async fn a_store_that_fails_is_an_error() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 2);
    let mut calls = 0;
    loop {
        calls += 1;
        fixture.0.state().calls.clear();
        fixture.0.state().fail_at = Some(calls);
        let found = try_survey(&fixture, &image.manifest, these(&["amd64"])).await;
        match found {
            Err(error) => assert!(matches!(error, ImageError::Store { .. }), "{error:?}"),
            Ok(_) => break,
        }
    }
    assert!(calls > 5, "only {calls} calls were made");
}
