use std::sync::Arc;

use crate::components;
use crate::context::Context;
use crate::failure::Failure;
use dray::config::{Flags, PlatformFlags, RegistryFlags};
use dray::containerd::Containerd;
use dray::image::{
    self, ChosenManifest, Completeness, FoundImage, ImageDocuments, ImageError, Scrutiny, StoredDocuments,
};
use dray::oci::Platform;
use dray::ports::{ImageRecord, PlatformMatcher, SnapshotterName, Store};
use dray::registry::{CredentialSettings, ProxySettings};
use dray::text::escape;
use dray::{Client, UsableSnapshotters, World};

/// The images of one namespace, and the means to read them.
pub(super) struct StoredImages {
    pub(super) client: Client,
    pub(super) store: Store,
    matcher: Arc<dyn PlatformMatcher>,
}

/// Connects to containerd, for commands without plugin and snapshotter.
pub(super) async fn connect(context: &Context) -> Result<Store, Failure> {
    let daemon = context.daemon()?;
    let connected = Containerd::connect(&daemon.address.value, &daemon.namespace.value).await;
    connected.map(Store::from).map_err(|error| Failure::connecting(&error))
}

/// The record that fits a name best.
pub(super) async fn record(store: &Store, name: &str) -> Result<ImageRecord, ImageError> {
    let found = image::find(store.images.as_ref(), name).await?;
    match found.into_iter().next() {
        Some(FoundImage { record, .. }) => Ok(record),
        None => Err(ImageError::NoRecord { name: name.to_owned() }),
    }
}

impl StoredImages {
    /// Connects to containerd and loads the platform plugin.
    pub(super) async fn open(platforms: PlatformFlags, context: &Context) -> Result<Self, Failure> {
        // No registry is asked, so what the environment says about registries may be wrong.
        let registry = RegistryFlags {
            credentials: Some(CredentialSettings::default()),
            proxy: Some(ProxySettings::default()),
            ..RegistryFlags::default()
        };
        let settings = context.settings(Flags { platforms, registry, ..Flags::default() })?;
        let screen = components::patient_screen(&context.screen);
        let plugins = components::host(settings.compiled_store.as_deref(), screen);
        let client = Client::new(settings, plugins)?;
        let World { store, matcher, .. } = client.world().await?;
        Ok(Self { client, store, matcher })
    }

    /// The snapshotters, for commands that can do without one: none, with a note, if the user named none and containerd
    /// has not loaded the default.
    pub(super) async fn snapshotters_if_loaded(
        &self,
        context: &Context,
    ) -> Result<Vec<SnapshotterName>, Failure> {
        Ok(noted(self.client.usable_snapshotters().await?, context))
    }

    /// The record that fits a name best.
    pub(super) async fn record(&self, name: &str) -> Result<ImageRecord, Failure> {
        Ok(self.client.find(name).await?)
    }

    /// The documents of an image for the wanted platform; of several, for the first.
    pub(super) async fn documents(&self, record: &ImageRecord) -> Result<ImageDocuments, ImageError> {
        image::read_image_config(self.source(), self.matcher.as_ref(), &record.target, self.client.wanted())
            .await
    }

    /// The manifest of an image for the wanted platform; of several, for the first.
    pub(super) async fn manifest(&self, record: &ImageRecord) -> Result<ChosenManifest, ImageError> {
        image::read_manifest(self.source(), self.matcher.as_ref(), &record.target, self.client.wanted()).await
    }

    /// The completeness of an image for the wanted platforms.
    pub(super) async fn completeness(
        &self,
        record: &ImageRecord,
        snapshotters: &[SnapshotterName],
        scrutiny: Scrutiny,
    ) -> Result<Completeness, ImageError> {
        let (store, matcher) = (&self.store, self.matcher.as_ref());
        let platforms = &self.client.settings().platforms;
        image::completeness(store, matcher, snapshotters, &record.target, platforms, scrutiny).await
    }

    /// Prints a note that an image without index is for another platform than the wanted one.
    pub(super) fn note_other_platform(&self, found: &Platform, context: &Context) {
        let note =
            format!("note: the image is for {found} only, {} is wanted", self.client.settings().platforms);
        context.screen.print(&escape::line(&note));
    }

    /// The documents of all images.
    pub(super) fn source(&self) -> StoredDocuments<'_> {
        StoredDocuments(self.store.content.as_ref())
    }
}

/// The names of the snapshotters. A note says for each other one what follows from that.
pub(super) fn noted(snapshotters: UsableSnapshotters, context: &Context) -> Vec<SnapshotterName> {
    for failure in &snapshotters.failures {
        let note = format!("note: {failure}; dray cannot tell what is unpacked");
        context.screen.print(&escape::line(&note));
    }
    snapshotters.names
}
