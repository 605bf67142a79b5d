use super::{Client, ClientError};
use dray_core::oci::Platform;
use dray_ports::{ImageRecord, SnapshotterName, Store};
use dray_pull::image::{
    self, Completeness, FoundImage, ImageDocuments, ImageError, Platforms, Scrutiny, StoredDocuments,
};
use dray_pull::pull::{PullError, SnapshotterChoice, World, usable_snapshotter};

/// An image in the store: what it is, and what of it is there.
#[derive(Debug)]
pub struct InspectedImage {
    /// The record that the name means best: full name, target, labels and times.
    pub record: ImageRecord,
    /// Index, manifest and config for the wanted platform; of several, for the first. Each with the bytes as received,
    /// and on demand as the type of `oci-spec`.
    pub documents: ImageDocuments,
    /// The snapshotter that was looked into.
    pub snapshotter: UsableSnapshotter,
    /// What the store has of the image for the wanted platforms, and what it lacks. A blob counts as there if the store
    /// has a record of it.
    pub completeness: Completeness,
}

/// The snapshotter that images are looked for in.
#[derive(Debug)]
pub enum UsableSnapshotter {
    /// The one that the settings name, else the default of the namespace.
    Loaded(SnapshotterName),
    /// The settings name none, and the store has not loaded the default. What is unpacked is not known.
    NotLoaded(Box<PullError>),
}

impl UsableSnapshotter {
    /// Its name, if there is one.
    pub fn name(&self) -> Option<&SnapshotterName> {
        match self {
            Self::Loaded(name) => Some(name),
            Self::NotLoaded(_) => None,
        }
    }

    /// Its name, for what cannot be done without one.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the default is not loaded.
    pub fn required(self) -> Result<SnapshotterName, PullError> {
        match self {
            Self::Loaded(name) => Ok(name),
            Self::NotLoaded(reason) => Err(*reason),
        }
    }
}

impl Client {
    /// Reads an image that is in the store, found by name, digest or the beginning of one. Changes nothing, and nothing
    /// goes over the network.
    ///
    /// # Errors
    ///
    /// Fails with [`ClientError::Image`] if there is no such image, if it has nothing for the wanted platform, or if one
    /// of its documents is missing, damaged or cannot be understood; and as [`Client::world`] does.
    pub async fn inspect(&self, name: &str) -> Result<InspectedImage, ClientError> {
        // The future is large, and would be part of every future that awaits it.
        let inspected = Box::pin(self.read(name));
        let inspected = self.cancel.run_until_cancelled(inspected).await;
        inspected.unwrap_or(Err(PullError::Cancelled.into()))
    }

    async fn read(&self, name: &str) -> Result<InspectedImage, ClientError> {
        let World { store, matcher, .. } = self.world().await?;
        let record = find(&store, name).await?;
        let source = StoredDocuments(store.content.as_ref());
        let documents =
            image::read_image_config(source, matcher.as_ref(), &record.target, self.wanted()).await?;
        let snapshotter = self.usable_snapshotter().await?;
        let (name, platforms) = (snapshotter.name(), &self.settings().platforms);
        let completeness =
            image::completeness(&store, matcher.as_ref(), name, &record.target, platforms, Scrutiny::Records);
        let completeness = completeness.await?;
        Ok(InspectedImage { record, documents, snapshotter, completeness })
    }

    /// The record that a name means best, see [`find_image`](crate::find_image).
    ///
    /// # Errors
    ///
    /// Fails with [`ImageError::NoRecord`] if there is none, and as [`find_image`](crate::find_image) and
    /// [`Client::store`] do.
    pub async fn find(&self, name: &str) -> Result<ImageRecord, ClientError> {
        Ok(find(&self.store().await?, name).await?)
    }

    /// The snapshotter that images are unpacked into.
    ///
    /// # Errors
    ///
    /// Fails if the store has not loaded the snapshotter that the settings name, and as [`Client::store`] does.
    pub async fn usable_snapshotter(&self) -> Result<UsableSnapshotter, ClientError> {
        let wanted = match &self.settings().daemon.snapshotter.value {
            SnapshotterChoice::Named(name) => Some(name),
            // Where the image decides, this is what it falls back to.
            SnapshotterChoice::Default | SnapshotterChoice::Auto { .. } => None,
        };
        match usable_snapshotter(self.store().await?.info.as_ref(), wanted).await {
            Ok(name) => Ok(UsableSnapshotter::Loaded(name)),
            Err(error @ (PullError::UnknownSnapshotter { .. } | PullError::DeadSnapshotter { .. }))
                if wanted.is_none() =>
            {
                Ok(UsableSnapshotter::NotLoaded(Box::new(error)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The wanted platform; of several, the first.
    pub fn wanted(&self) -> &Platform {
        match &self.settings().platforms {
            Platforms::One(platform) | Platforms::All { host: platform, .. } => platform,
            // There are at least two of them.
            Platforms::Several(platforms) => &platforms[0],
        }
    }
}

async fn find(store: &Store, name: &str) -> Result<ImageRecord, ImageError> {
    match image::find(store.images.as_ref(), name).await?.into_iter().next() {
        Some(FoundImage { record, .. }) => Ok(record),
        None => Err(ImageError::NoRecord { name: name.to_owned() }),
    }
}
