use super::*;

/// A store with a record for each name, whose target has the digest of the text beside it.
fn records(records: &[(&str, &Digest)]) -> Fixture {
    let fixture = Fixture::default();
    for (name, digest) in records {
        fixture.record(name, &Descriptor::new(manifest_type(), (*digest).clone(), 1));
    }
    fixture
}

async fn found(fixture: &Fixture, typed: &str) -> Vec<(String, MatchedBy)> {
    let found = find(&fixture.0, typed).await.unwrap();
    found.into_iter().map(|found| (found.record.name, found.by)).collect()
}

async fn names(fixture: &Fixture, typed: &str) -> Vec<String> {
    found(fixture, typed).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn the_normal_form_comes_before_what_was_typed() {
    let (a, b) = (digest("a"), digest("b"));
    let fixture = records(&[("docker.io/library/debian:latest", &a), ("debian", &b), ("debian:12", &b)]);
    assert_eq!(names(&fixture, "debian").await, ["docker.io/library/debian:latest", "debian"]);
    assert_eq!(found(&fixture, "debian:12").await, [("debian:12".to_owned(), MatchedBy::Name)]);
    assert_eq!(names(&fixture, "docker.io/library/debian:latest").await, ["docker.io/library/debian:latest"]);
    assert_eq!(names(&fixture, "debian:13").await, [""; 0]);
    assert_eq!(names(&fixture, "Not A Name").await, [""; 0]);
}

/// A name of hexadecimal digits is a name while there is an image of that name.
#[tokio::test]
async fn names_come_before_ids() {
    let id = digest("a");
    let name = &id.hex()[..6];
    let canonical = format!("docker.io/library/{name}:latest");
    let other = digest("b");
    let fixture = records(&[("docker.io/library/other:latest", &id), (&canonical, &other)]);
    assert_eq!(found(&fixture, name).await, [(canonical.clone(), MatchedBy::Name)]);
    fixture.0.state().images.remove(&canonical);
    let by_id = [("docker.io/library/other:latest".to_owned(), MatchedBy::Id)];
    assert_eq!(found(&fixture, name).await, by_id);
}

#[tokio::test]
async fn ids_short_and_long() {
    let id = digest("a");
    let fixture = records(&[("x.example/one:1", &id), ("x.example/two:1", &id)]);
    let both = ["x.example/one:1", "x.example/two:1"];
    for typed in [&id.hex()[..1], &id.hex()[..12], id.hex(), &id.as_str()[..10], id.as_str()] {
        assert_eq!(names(&fixture, typed).await, both, "{typed}");
    }
    for typed in ["sha512:ca", "sha256:", "sha256", "md5:ca", "", &id.hex().to_uppercase(), ".*", "name~=x"] {
        assert_eq!(names(&fixture, typed).await, [""; 0], "{typed}");
    }
    let longer = format!("{}0", id.hex());
    assert_eq!(names(&fixture, &longer).await, [""; 0]);
}

#[tokio::test]
async fn an_id_of_several_images_is_ambiguous() {
    let hex =
        |rest: &str| Digest::parse(&format!("sha256:abc{rest}{}", "0".repeat(61 - rest.len()))).unwrap();
    let (one, two) = (hex("1"), hex("2"));
    let fixture = records(&[("x.example/b:1", &one), ("x.example/a:1", &two), ("x.example/c:1", &one)]);
    let error = find(&fixture.0, "abc").await.unwrap_err();
    let ImageError::Ambiguous { name, images } = error else { panic!("{error}") };
    assert_eq!(name, "abc");
    assert_eq!(images, [(one, "x.example/b:1".to_owned()), (two, "x.example/a:1".to_owned())]);
    assert_eq!(names(&fixture, "abc1").await, ["x.example/b:1", "x.example/c:1"]);
    assert_eq!(names(&fixture, "sha256:abc2").await, ["x.example/a:1"]);
}

#[tokio::test]
async fn names_with_a_digest() {
    let (a, b) = (digest("a"), digest("b"));
    let fixture = records(&[("x.example/r:1", &a), ("x.example/r:2", &a), ("x.example/other:1", &a)]);
    for (typed, expected) in [
        (format!("x.example/r@{a}"), &["x.example/r:1", "x.example/r:2"][..]),
        (format!("x.example/r:2@{a}"), &["x.example/r:2", "x.example/r:1"]),
        (format!("x.example/r:3@{a}"), &["x.example/r:1", "x.example/r:2"]),
        (format!("x.example/r:1@{b}"), &[]),
        (format!("x.example/s:1@{a}"), &[]),
    ] {
        assert_eq!(names(&fixture, &typed).await, expected, "{typed}");
    }
}

#[tokio::test]
async fn records_that_have_the_digest_in_their_name() {
    let (a, b) = (digest("a"), digest("b"));
    let (plain, tagged) = (format!("x.example/r@{a}"), format!("x.example/r:1@{a}"));
    let fixture = records(&[(&plain, &a), (&tagged, &a)]);
    assert_eq!(found(&fixture, &plain).await, [(plain.clone(), MatchedBy::Name)]);
    assert_eq!(names(&fixture, &tagged).await, [plain.as_str(), tagged.as_str()]);

    let fixture = records(&[(&tagged, &a)]);
    assert_eq!(found(&fixture, &plain).await, [(tagged, MatchedBy::RepositoryAndDigest)]);

    // Another client made a record of this name for something else.
    let fixture = records(&[(&plain, &b)]);
    assert_eq!(found(&fixture, &plain).await, []);
}

/// The kubelet's records are named by the digest of the config.
#[tokio::test]
async fn a_name_that_is_a_digest() {
    let (config, target) = (digest("config"), digest("target"));
    let fixture = records(&[(config.as_str(), &target), ("x.example/r:1", &target)]);
    assert_eq!(found(&fixture, config.as_str()).await, [(config.to_string(), MatchedBy::Name)]);
    assert_eq!(names(&fixture, target.as_str()).await, [config.as_str(), "x.example/r:1"]);
}
