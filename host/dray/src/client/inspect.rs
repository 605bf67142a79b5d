use super::{Client, ClientError};
use dray_core::oci::Platform;
use dray_ports::{ImageRecord, SnapshotterName, Store};
use dray_pull::image::{
    self, Completeness, FoundImage, ImageDocuments, ImageError, Platforms, Scrutiny, StoredDocuments,
};
use dray_pull::pull::{PullError, SnapshotterChoice, World, answering_snapshotters, usable_snapshotter};

/// An image in the store: what it is, and what of it is there.
#[derive(Debug)]
pub struct InspectedImage {
    /// The record that the name means best: full name, target, labels and times.
    pub record: ImageRecord,
    /// Index, manifest and config for the wanted platform; of several, for the first. Each with the bytes as received,
    /// and on demand as the type of `oci-spec`.
    pub documents: ImageDocuments,
    /// The snapshotters that were looked into.
    pub snapshotters: UsableSnapshotters,
    /// What the store has of the image for the wanted platforms, and what it lacks. A blob counts as there if the store
    /// has a record of it.
    pub completeness: Completeness,
}

/// The snapshotters that images are looked for in.
#[derive(Debug)]
pub struct UsableSnapshotters {
    /// The one that the settings name, else the default of the namespace; where the image decides, all that answer, the
    /// default first. Empty if the settings name none and the store has not loaded the default: what is unpacked is not
    /// known then.
    pub names: Vec<SnapshotterName>,
    /// Why others, which images may have been unpacked into, are not among them.
    pub failures: Vec<PullError>,
}

impl UsableSnapshotters {
    /// Their names, for what cannot be done without one.
    ///
    /// # Errors
    ///
    /// Fails with the first reason if there is none.
    pub fn required(self) -> Result<Vec<SnapshotterName>, PullError> {
        match self.failures.into_iter().next() {
            Some(failure) if self.names.is_empty() => Err(failure),
            _ => Ok(self.names),
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
        let snapshotters = self.usable_snapshotters().await?;
        let (names, platforms) = (&snapshotters.names, &self.settings().platforms);
        let completeness = image::completeness(
            &store,
            matcher.as_ref(),
            names,
            &record.target,
            platforms,
            Scrutiny::Records,
        );
        let completeness = completeness.await?;
        Ok(InspectedImage { record, documents, snapshotters, completeness })
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

    /// The snapshotters that images may be unpacked into.
    ///
    /// # Errors
    ///
    /// Fails if the store has not loaded the snapshotter that the settings name, and as [`Client::store`] does.
    pub async fn usable_snapshotters(&self) -> Result<UsableSnapshotters, ClientError> {
        let store = self.store().await?;
        let named = match &self.settings().daemon.snapshotter.value {
            SnapshotterChoice::Named(name) => Some(name),
            SnapshotterChoice::Default | SnapshotterChoice::Auto { .. } => None,
        };
        let usable = match &self.settings().daemon.snapshotter.value {
            SnapshotterChoice::Auto { .. } => {
                answering_snapshotters(&store, self.parts.planners.as_ref()).await
            }
            _ => usable_snapshotter(store.info.as_ref(), named).await.map(|name| (vec![name], Vec::new())),
        };
        match usable {
            Ok((names, failures)) => Ok(UsableSnapshotters { names, failures }),
            Err(
                error @ (PullError::UnknownSnapshotter { .. }
                | PullError::DeadSnapshotter { .. }
                | PullError::UnreachableSnapshotter { .. }
                | PullError::SilentSnapshotter { .. }),
            ) if named.is_none() => Ok(UsableSnapshotters { names: Vec::new(), failures: vec![error] }),
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
