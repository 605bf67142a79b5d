use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{AddResourceRequest, CreateRequest, DeleteRequest, Resource};
use jiff::Timestamp;
use tonic::transport::Channel;

use super::answer::answer;
use super::failure::Cause;
use super::{Containerd, client, convert};
use dray_ports::{Class, Labels, LeaseId, Leases, StoreError};

/// The label that ends a lease: a time as in RFC 3339.
const EXPIRY_LABEL: &str = "containerd.io/gc.expire";

#[async_trait]
impl Leases for Containerd {
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError> {
        let during = "create a lease";
        let end = Timestamp::now()
            .checked_add(expiry)
            .map_err(|error| StoreError::new(Class::InvalidArgument, during).with_source(error))?;
        let labels = Labels::from([(EXPIRY_LABEL.to_owned(), end.to_string())]);
        let request = CreateRequest { id: unique_id(), labels: convert::to_map(&labels) };
        let created = answer(self.leases().create(self.request(request))).await;
        created
            .and_then(|created| convert::required(created.lease, "lease"))
            .map(|lease| LeaseId::from_store(lease.id))
            .map_err(|cause| cause.during(during))
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        // Waiting for the collection makes what the lease alone protected gone when this returns.
        let request = DeleteRequest { id: lease.to_string(), sync: true };
        match self.long_answer(self.leases().delete(self.request(request))).await {
            Err(cause) if cause.class() != Class::NotFound => {
                Err(cause.during(format!("release lease `{lease}`")))
            }
            _ => Ok(()),
        }
    }
}

impl Containerd {
    /// Puts something under a lease: what `kind` calls `id`, whether it is there or not.
    pub(super) async fn protect(&self, lease: &LeaseId, kind: &str, id: &str) -> Result<(), Cause> {
        let resource = Resource { id: id.to_owned(), r#type: kind.to_owned() };
        let request = AddResourceRequest { id: lease.to_string(), resource: Some(resource) };
        answer(self.leases().add_resource(self.request(request))).await.map(drop)
    }

    fn leases(&self) -> LeasesClient<Channel> {
        client!(self, LeasesClient<_>)
    }
}

/// An identifier in the form that containerd's own clients use: nanoseconds within the second, and a little
/// chance.
fn unique_id() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    format!("{nanos}-{}", URL_SAFE.encode(rand::random::<[u8; 3]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_of_an_id() {
        let id = unique_id();
        let (nanos, chance) = id.split_once('-').unwrap();
        assert!(nanos.parse::<u32>().unwrap() < 1_000_000_000);
        assert_eq!(chance.len(), 4);
        assert_ne!(id, unique_id());
    }
}
