use super::*;

#[tokio::test]
async fn documents_of_a_nested_index() {
    let fixture = Fixture::default();
    let (amd64, arm64) = (fixture.image("a", "amd64", 2), fixture.image("b", "arm64", 1));
    let inner = fixture.index(&[(&amd64.manifest, Some("amd64"))]);
    let outer = fixture.index(&[(&arm64.manifest, Some("arm64")), (&inner, Some("amd64"))]);

    let index = read_index(fixture.source(), &outer).await.unwrap().expect("it is an index");
    assert_eq!(index.manifests.len(), 2);
    assert!(read_index(fixture.source(), &amd64.manifest).await.unwrap().is_none());

    let found = read_image_config(fixture.source(), &matcher(), &outer, &linux("amd64")).await.unwrap();
    assert_eq!(
        found.indexes.iter().map(|index| &index.descriptor().digest).collect::<Vec<_>>(),
        [&outer.digest, &inner.digest]
    );
    assert_eq!(found.manifest.descriptor().digest, amd64.manifest.digest);
    assert_eq!(found.manifest.layers, amd64.layers);
    let chain: Vec<ChainId> = found.layers().unwrap().into_iter().map(|layer| layer.chain_id).collect();
    assert_eq!(chain, amd64.chain);
    assert!(found.fits);
    let found = read_manifest(fixture.source(), &matcher(), &outer, &linux("arm64")).await.unwrap();
    assert_eq!(found.manifest.descriptor().digest, arm64.manifest.digest);

    let error = read_manifest(fixture.source(), &matcher(), &outer, &linux("s390x")).await.unwrap_err();
    assert!(matches!(&error, ImageError::NoPlatform { offered, .. } if offered.len() == 2), "{error:?}");
}

#[tokio::test]
async fn an_image_without_index_is_taken_and_said_not_to_fit() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 1);
    for (architecture, fits) in [("amd64", true), ("arm64", false)] {
        let wanted = linux(architecture);
        let found = read_image_config(fixture.source(), &matcher(), &image.manifest, &wanted).await.unwrap();
        assert_eq!((found.platform.architecture.as_str(), found.fits), ("amd64", fits));
    }
}

#[tokio::test]
async fn the_config_speaks_where_the_index_is_silent() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 1);
    let index = fixture.index(&[(&image.manifest, None)]);
    read_manifest(fixture.source(), &matcher(), &index, &linux("amd64")).await.unwrap();
    let error = read_manifest(fixture.source(), &matcher(), &index, &linux("arm64")).await.unwrap_err();
    assert!(matches!(error, ImageError::NoPlatform { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_named() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 1);
    let index = fixture.index(&[(&image.manifest, Some("amd64"))]);
    let read = || async {
        read_image_config(fixture.source(), &matcher(), &index, &linux("amd64"))
            .await
            .unwrap_err()
            .to_string()
    };
    fixture.0.state().blobs.get_mut(&image.config.digest).expect("it is there").0 = "other".into();
    assert_eq!(read().await, format!("image config {} cannot be used", image.config.digest));
    for (what, blob) in
        [("image config", &image.config), ("image manifest", &image.manifest), ("image index", &index)]
    {
        fixture.remove(blob);
        assert_eq!(read().await, format!("{what} {} is not in the content store", blob.digest));
    }
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let fixture = Fixture::default();
    let config = fixture.add("application/vnd.cncf.helm.config.v1+json", "{}");
    let chart = json!({"schemaVersion": 2, "config": written(&config), "layers": []});
    let chart = fixture.add(MediaType::OCI_MANIFEST, chart.to_string());
    for target in [&chart, &fixture.add("text/plain", "x")] {
        let error = read_manifest(fixture.source(), &matcher(), target, &linux("amd64")).await.unwrap_err();
        let is_refused = |fault: &DocumentFault| matches!(fault, DocumentFault::NotAnImage { .. });
        assert!(matches!(&error, ImageError::Document { source, .. } if is_refused(source)), "{error:?}");
    }
    let mut nested = fixture.image("a", "amd64", 1).manifest;
    for _ in 0..=dray_core::limits::INDEX_DEPTH {
        nested = fixture.index(&[(&nested, Some("amd64"))]);
    }
    let error = read_manifest(fixture.source(), &matcher(), &nested, &linux("amd64")).await.unwrap_err();
    let ImageError::Document { source: fault, .. } = error else { panic!("{error:?}") };
    assert!(matches!(fault, DocumentFault::TooMany { what: "levels of indexes", .. }), "{fault:?}");
    let huge = Descriptor { size: u64::MAX, ..chart };
    let error = read_document(fixture.source(), DocumentKind::Manifest, &huge).await.unwrap_err();
    let ImageError::Document { source: fault, .. } = error else { panic!("{error:?}") };
    assert!(matches!(fault, DocumentFault::TooLarge { .. }), "{fault:?}");
}
