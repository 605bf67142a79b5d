use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use dray_core::oci::{Algorithm, MediaType};
use dray_core::verify::digest_of;
use dray_ports::Resolved;

/// What a registry does when it is asked for a blob.
enum Answer {
    Refuses(FetchFault),
    /// Sends these bytes, whatever the offset.
    Sends(&'static str),
    /// The same, and breaks off.
    SendsAndFails(&'static str, FetchFault),
}

use Answer::{Refuses, Sends, SendsAndFails};
use FetchFault::{Denied, Unavailable};

/// A registry that answers by a script.
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    /// Where it was asked to begin.
    offsets: Mutex<Vec<u64>>,
    /// Servers beside the first one.
    others: Mutex<u32>,
}

fn failure(fault: FetchFault) -> FetchFailure {
    FetchFailure::new(fault, "it fails on purpose")
}

#[async_trait]
impl Registry for Scripted {
    async fn resolve(&self, _: &Reference) -> Result<Resolved, FetchFailure> {
        Err(failure(FetchFault::NotFound))
    }

    async fn fetch_unverified(
        &self,
        _: &Reference,
        _: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        self.offsets.lock().unwrap().push(offset);
        let (bytes, fault) = match self.answers.lock().unwrap().pop_front().expect("it is asked once more") {
            Refuses(fault) => return Err(failure(fault)),
            Sends(bytes) => (bytes, None),
            SendsAndFails(bytes, fault) => (bytes, Some(fault)),
        };
        let bytes = (!bytes.is_empty()).then(|| Ok(Bytes::from_static(bytes.as_bytes())));
        let items: Vec<_> = bytes.into_iter().chain(fault.map(|fault| Err(failure(fault)))).collect();
        Ok(Box::pin(futures_util::stream::iter(items)))
    }

    async fn distrust(&self, _: &Reference, _: &Descriptor) -> bool {
        let mut others = self.others.lock().unwrap();
        let has_another = *others > 0;
        *others = others.saturating_sub(1);
        has_another
    }
}

/// What a stream of `hello world` yields: its pieces, with `^` for a restart and `.` for the end, or `!` and the
/// failure; and where the registry was asked to begin. It is that of a layer from an offset on, or that of a document.
async fn read(
    layer_from: Option<u64>,
    answers: impl IntoIterator<Item = Answer>,
    others: u32,
) -> (String, Vec<u64>) {
    let registry = Scripted {
        answers: Mutex::new(answers.into_iter().collect()),
        offsets: Mutex::default(),
        others: Mutex::new(others),
    };
    let reference = Reference::parse("x").unwrap();
    let digest = digest_of(Algorithm::Sha256, b"hello world");
    let descriptor = Descriptor::new(MediaType::new("x"), digest, 11);
    let mut stream = match layer_from {
        Some(offset) => VerifiedStream::of_layer(&registry, &reference, &descriptor, offset),
        None => VerifiedStream::of_document(&registry, &reference, &descriptor),
    };
    let mut pieces = String::new();
    let end = loop {
        match stream.next().await {
            Ok(Some(Piece::Bytes(bytes))) => pieces.push_str(str::from_utf8(&bytes).unwrap()),
            Ok(Some(Piece::Restart)) => pieces.push('^'),
            Ok(None) => break ".".to_owned(),
            Err(ReadError::Source(error)) => break format!("!{:?}", error.fault),
            Err(ReadError::Mismatch(Mismatch::Short { .. })) => break "!short".to_owned(),
            Err(ReadError::Mismatch(Mismatch::Long { .. })) => break "!long".to_owned(),
            Err(ReadError::Mismatch(Mismatch::Digest { .. })) => break "!digest".to_owned(),
        }
    };
    let offsets = registry.offsets.lock().unwrap().clone();
    (pieces + &end, offsets)
}

/// The same for a layer of which the reader has no bytes.
async fn layer(answers: impl IntoIterator<Item = Answer>, others: u32) -> (String, Vec<u64>) {
    read(Some(0), answers, others).await
}

async fn document(answers: impl IntoIterator<Item = Answer>, others: u32) -> (String, Vec<u64>) {
    read(None, answers, others).await
}

fn yields(text: &str, offsets: &[u64]) -> (String, Vec<u64>) {
    (text.to_owned(), offsets.to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_layer_goes_on_where_its_source_stopped() {
    let broken = [SendsAndFails("hel", Unavailable), Sends("lo "), Refuses(Unavailable), Sends("world")];
    assert_eq!(layer(broken, 0).await, yields("hello world.", &[0, 3, 6, 6]));
    // It broke off behind the last byte.
    let late = [SendsAndFails("hello world", Unavailable)];
    assert_eq!(layer(late, 0).await, yields("hello world.", &[0]));
}

#[tokio::test(start_paused = true)]
async fn tries_that_bring_nothing_new_are_counted_in_a_row() {
    let away = || SendsAndFails("", Unavailable);
    let answers = [Sends("hel"), away(), away(), Sends("lo "), away(), Refuses(Unavailable), Sends("")];
    assert_eq!(layer(answers, 0).await, yields("hello !short", &[0, 3, 3, 3, 6, 6, 6]));
    let answers = [Sends("hel"), Sends(""), Refuses(Unavailable), away()];
    assert_eq!(layer(answers, 0).await, yields("hel!Unavailable", &[0, 3, 3, 3]));
}

#[tokio::test(start_paused = true)]
async fn what_no_try_can_mend_ends_the_stream() {
    assert_eq!(layer([Refuses(Unavailable)], 1).await, yields("!Unavailable", &[0]));
    assert_eq!(layer([Refuses(Denied)], 1).await, yields("!Denied", &[0]));
    assert_eq!(layer([SendsAndFails("hel", Denied)], 1).await, yields("hel!Denied", &[0]));
    assert_eq!(layer([Sends("hel"), Refuses(Denied)], 1).await, yields("hel!Denied", &[0, 3]));
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_are_fetched_again_from_another_server() {
    let wrong = || [Sends("hel"), Sends("l0 world"), Sends("hello world!")];
    let answers = wrong().into_iter().chain([Sends("hello"), Sends(" world")]);
    assert_eq!(layer(answers, 2).await, yields("hell0 world^^hello world.", &[0, 3, 0, 0, 5]));
    assert_eq!(layer(wrong(), 1).await, yields("hell0 world^^!long", &[0, 3, 0]));
    assert_eq!(layer([Sends("hell0 world")], 0).await, yields("hell0 world^!digest", &[0]));
    let late = [SendsAndFails("hell0 world", Unavailable)];
    assert_eq!(layer(late, 0).await, yields("hell0 world^!digest", &[0]));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_the_reader_has_are_not_asked_for() {
    assert_eq!(read(Some(6), [Sends("world")], 0).await, yields("world.", &[6]));
    assert_eq!(read(Some(11), [], 0).await, yields(".", &[]));
    let answers = [Sends("world!"), Sends("hello world")];
    assert_eq!(read(Some(6), answers, 1).await, yields("^hello world.", &[6, 0]));
    // What was not seen is for the store to check.
    assert_eq!(read(Some(6), [Sends("w0rld")], 1).await, yields("w0rld.", &[6]));
}

#[tokio::test(start_paused = true)]
async fn a_document_begins_anew() {
    let answers = [SendsAndFails("hel", Unavailable), Sends("hello"), Sends("hello world")];
    assert_eq!(document(answers, 0).await, yields("hel^hello^hello world.", &[0, 0, 0]));
    let answers = [Sends("hel"), Sends("hel"), SendsAndFails("hel", Unavailable)];
    assert_eq!(document(answers, 1).await, yields("hel^hel^hel!Unavailable", &[0, 0, 0]));
    assert_eq!(document([Sends("hel"), Refuses(Unavailable)], 1).await, yields("hel^!Unavailable", &[0, 0]));
    assert_eq!(
        document([Sends("hell0 world"), Sends("hello world")], 1).await,
        yields("hell0 world^hello world.", &[0, 0])
    );
}
