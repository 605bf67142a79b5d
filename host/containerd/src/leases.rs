use std::time::Duration;

use async_trait::async_trait;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{AddResourceRequest, CreateRequest, DeleteRequest, Resource};
use jiff::Timestamp;
use tonic::transport::Channel;

use super::answer::answer;
use super::failure::Cause;
use super::{Containerd, client, convert, names};
use dray_core::limits;
use dray_ports::{Class, Labels, LeaseId, Leases, StoreError};

/// The label with the expiry of a lease, a time in the format of RFC 3339.
const EXPIRY_LABEL: &str = "containerd.io/gc.expire";

#[async_trait]
impl Leases for Containerd {
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError> {
        let during = "create a lease";
        let end = Timestamp::now()
            .checked_add(expiry)
            .map_err(|error| StoreError::new(Class::InvalidArgument, during).with_source(error))?;
        let labels = Labels::from([(EXPIRY_LABEL.to_owned(), end.to_string())]);
        let request = CreateRequest { id: names::unique(), labels: convert::to_map(&labels) };
        let created = answer(self.leases().create(self.request(request))).await;
        created
            .and_then(|created| convert::required(created.lease, "lease"))
            .map(|lease| LeaseId::from_store(lease.id))
            .map_err(|cause| cause.during(during))
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        // Waits for the garbage collection, so that everything that only the lease protected is gone on return.
        let request = DeleteRequest { id: lease.to_string(), sync: true };
        match self.long_answer(self.leases().delete(self.request(request))).await {
            Err(cause) if cause.class() != Class::NotFound => {
                Err(cause.during(format!("release lease `{lease}`")))
            }
            _ => Ok(()),
        }
    }

    async fn collect(&self) -> Result<(), StoreError> {
        // There is no call for it. Deleting a lease makes containerd collect at once.
        let lease = self.create(limits::LEASE_EXPIRY).await?;
        self.release(&lease).await
    }
}

impl Containerd {
    /// Adds the resource `id` of type `kind` to a lease, whether or not it exists.
    pub(super) async fn protect(&self, lease: &LeaseId, kind: &str, id: &str) -> Result<(), Cause> {
        let resource = Resource { id: id.to_owned(), r#type: kind.to_owned() };
        let request = AddResourceRequest { id: lease.to_string(), resource: Some(resource) };
        answer(self.leases().add_resource(self.request(request))).await.map(drop)
    }

    fn leases(&self) -> LeasesClient<Channel> {
        client!(self, LeasesClient<_>)
    }
}
