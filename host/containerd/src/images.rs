use async_trait::async_trait;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, Image, ListImagesRequest, UpdateImageRequest,
};
use prost_types::FieldMask;
use tonic::transport::Channel;

use super::answer::answer;
use super::failure::Cause;
use super::{Containerd, client, convert};
use dray_core::oci::Descriptor;
use dray_ports::{Class, ImageRecord, Images, StoreError};

/// How often a record is created or updated while other clients remove and create it. Once suffices, unless another
/// client acts between the two calls.
const PUT_ROUNDS: u32 = 3;

#[async_trait]
impl Images for Containerd {
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        match self.image(name).await {
            Ok(image) => Ok(Some(image)),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during(format!("read image record `{name}`"))),
        }
    }

    async fn list(&self) -> Result<Vec<ImageRecord>, StoreError> {
        // Without a filter: a filter would need quoting, and containerd lists all records anyway.
        let listed = answer(self.images().list(self.request(ListImagesRequest::default()))).await;
        let listed = listed.map_err(|cause| cause.during("list images"))?;
        let records = listed.images.into_iter().filter_map(|image| {
            let name = image.name.clone();
            convert::from_image(image)
                .inspect_err(|error| tracing::debug!(name, %error, "left out an image record"))
                .ok()
        });
        let mut records: Vec<ImageRecord> = records.collect();
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        let image =
            Image { name: name.to_owned(), target: Some(convert::to_descriptor(target)), ..Image::default() };
        let mut round = 1;
        loop {
            match self.create_or_update(&image).await {
                Err(cause) if cause.class() == Class::NotFound && round < PUT_ROUNDS => round += 1,
                result => {
                    return result.map_err(|cause| cause.during(format!("write image record `{name}`")));
                }
            }
        }
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let request = DeleteImageRequest { name: name.to_owned(), ..DeleteImageRequest::default() };
        match answer(self.images().delete(self.request(request))).await {
            Err(cause) if cause.class() != Class::NotFound => {
                Err(cause.during(format!("remove image record `{name}`")))
            }
            _ => Ok(()),
        }
    }
}

impl Containerd {
    fn images(&self) -> ImagesClient<Channel> {
        client!(self, ImagesClient<_>)
    }

    async fn image(&self, name: &str) -> Result<ImageRecord, Cause> {
        let request = GetImageRequest { name: name.to_owned() };
        let found = answer(self.images().get(self.request(request))).await?;
        convert::from_image(convert::required(found.image, "image")?)
    }

    /// "Not found" means that the record disappeared between the two calls.
    async fn create_or_update(&self, image: &Image) -> Result<(), Cause> {
        let create = CreateImageRequest { image: Some(image.clone()), ..CreateImageRequest::default() };
        match answer(self.images().create(self.request(create))).await {
            Err(cause) if cause.class() == Class::AlreadyExists => {}
            result => return result.map(drop),
        }
        let update = UpdateImageRequest {
            image: Some(image.clone()),
            // Without a mask, the update would also replace the labels.
            update_mask: Some(FieldMask { paths: vec!["target".to_owned()] }),
            ..UpdateImageRequest::default()
        };
        answer(self.images().update(self.request(update))).await.map(drop)
    }
}
