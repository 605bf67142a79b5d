use std::collections::BTreeMap;

use super::ImageError;
use dray_core::oci::{Algorithm, Digest, Named};
use dray_ports::{ImageRecord, Images};

/// A record that was found.
#[derive(Clone, Debug)]
pub struct FoundImage {
    /// The record.
    pub record: ImageRecord,
    /// How it matches.
    pub by: MatchedBy,
}

/// How a record matches a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// By its name: the typed one in normal form, or as typed.
    Name,
    /// By its repository, and the digest of its target.
    RepositoryAndDigest,
    /// Only by the digest of its target, or its beginning.
    Id,
}

/// Finds the records that `typed` may refer to, best first.
///
/// A record of exactly this name comes first, so that a name of hexadecimal digits never refers to another image
/// while there is one of the name. After that:
///
/// - `name@digest` and `name:tag@digest` mean any record of the repository whose target has the digest, those
///   of the same tag first. A record of just this name whose target has another digest is none of them.
/// - What can be the beginning of a digest, with or without `sha256:`, means the records of the one image
///   whose digest begins so.
///
/// The whole list is read and compared here, because a filter for the store would have to quote text of the user.
///
/// # Errors
///
/// Fails with [`ImageError::Ambiguous`] if the beginning of a digest fits several images, or if the store fails.
pub async fn find(images: &dyn Images, typed: &str) -> Result<Vec<FoundImage>, ImageError> {
    let records = images.list().await.map_err(ImageError::store("listing its images"))?;
    let named = Named::parse(typed).ok();
    let exact = by_name(&records, typed, named.as_ref());
    if !exact.is_empty() {
        return Ok(found(exact, MatchedBy::Name));
    }
    if let Some(digest) = named.as_ref().and_then(Named::digest)
        && let Some(named) = &named
    {
        return Ok(found(by_digest(&records, named, digest), MatchedBy::RepositoryAndDigest));
    }
    Ok(found(by_id(&records, typed)?, MatchedBy::Id))
}

fn found(records: Vec<&ImageRecord>, by: MatchedBy) -> Vec<FoundImage> {
    records.into_iter().map(|record| FoundImage { record: record.clone(), by }).collect()
}

fn by_name<'a>(records: &'a [ImageRecord], typed: &str, named: Option<&Named>) -> Vec<&'a ImageRecord> {
    let digest = named.and_then(Named::digest);
    let canonical = named.map(|named| named.to_reference().to_string());
    let names = canonical.as_deref().into_iter().chain([typed]);
    let mut matching: Vec<&ImageRecord> = Vec::new();
    for name in names {
        let of_name = records.iter().filter(|record| {
            record.name == name && digest.is_none_or(|digest| record.target.digest == *digest)
        });
        matching.extend(of_name);
    }
    matching.dedup_by(|a, b| a.name == b.name);
    matching
}

/// Records of the repository with the digest: those with the given tag, then the others.
fn by_digest<'a>(records: &'a [ImageRecord], wanted: &Named, digest: &Digest) -> Vec<&'a ImageRecord> {
    let mut matching: Vec<(bool, &ImageRecord)> = records
        .iter()
        .filter(|record| record.target.digest == *digest)
        .filter_map(|record| {
            let named = Named::parse(&record.name).ok()?;
            let same = named.domain() == wanted.domain() && named.path() == wanted.path();
            same.then(|| (named.tag() != wanted.tag(), record))
        })
        .collect();
    matching.sort_by_key(|(other_tag, _)| *other_tag);
    matching.into_iter().map(|(_, record)| record).collect()
}

fn by_id<'a>(records: &'a [ImageRecord], typed: &str) -> Result<Vec<&'a ImageRecord>, ImageError> {
    let Some(id) = Id::parse(typed) else { return Ok(Vec::new()) };
    let matching: Vec<&ImageRecord> =
        records.iter().filter(|record| id.is_beginning_of(&record.target.digest)).collect();
    let mut images: BTreeMap<&Digest, &str> = BTreeMap::new();
    for record in &matching {
        images.entry(&record.target.digest).or_insert(&record.name);
    }
    if images.len() > 1 {
        let images = images.into_iter().map(|(digest, name)| (digest.clone(), name.to_owned()));
        return Err(ImageError::Ambiguous { name: typed.to_owned(), images: images.collect() });
    }
    Ok(matching)
}

/// The beginning of a digest.
struct Id<'a> {
    algorithm: Option<Algorithm>,
    hex: &'a str,
}

impl<'a> Id<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (algorithm, hex) = match text.split_once(':') {
            None => (None, text),
            Some((name, hex)) => {
                let all = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
                (Some(all.into_iter().find(|algorithm| algorithm.as_str() == name)?), hex)
            }
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (!hex.is_empty() && hex.bytes().all(is_hex)).then_some(Self { algorithm, hex })
    }

    fn is_beginning_of(&self, digest: &Digest) -> bool {
        self.algorithm.is_none_or(|algorithm| algorithm == digest.algorithm())
            && digest.hex().starts_with(self.hex)
    }
}
