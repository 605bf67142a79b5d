//! The store ports over containerd's gRPC interface.
//!
//! One file per service. Generated types stay in this crate: `convert` turns them into values of the ports, `failure`
//! classifies failed calls, `answer` has the time limits, and only `connection` knows sockets and the headers of
//! calls. What the ports say in typed values, `labels` and `names` write as containerd's own clients do.

mod answer;
mod applier;
mod connection;
mod content;
mod convert;
mod failure;
mod images;
mod info;
mod ingest;
mod labels;
mod leases;
mod names;
mod ocicrypt;
mod reading;
mod replacement;
mod snapshots;
mod view;

use std::sync::Arc;

use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use dray_ports::Store;

pub use self::ocicrypt::decoder_of;

/// A containerd, with one of its namespaces. Clones share one connection, which is reopened after a break.
///
/// The namespace need not exist: containerd creates it with its first content.
#[derive(Clone, Debug)]
pub struct Containerd {
    channel: Channel,
    namespace: AsciiMetadataValue,
}

impl From<Containerd> for Store {
    fn from(containerd: Containerd) -> Self {
        let containerd = Arc::new(containerd);
        Self {
            content: containerd.clone(),
            snapshots: containerd.clone(),
            applier: containerd.clone(),
            images: containerd.clone(),
            leases: containerd.clone(),
            info: containerd,
        }
    }
}

/// A client of one service, with the program's limits for messages.
macro_rules! client {
    ($store:expr, $client:ty) => {
        <$client>::new($store.channel.clone())
            .max_decoding_message_size(dray_core::limits::GRPC_MESSAGE_BYTES)
            .max_encoding_message_size(dray_core::limits::GRPC_MESSAGE_BYTES)
    };
}
use client;
