use std::sync::Arc;

use crate::arguments::Globals;
use crate::context::Context;
use crate::failure::Failure;
use crate::{components, host_platform};
use dray::config::{self, DaemonSettings, PlatformFlags, PluginFlags, PluginRules};
use dray::containerd::Containerd;
use dray::image::{
    self, ChosenManifest, Completeness, FoundImage, ImageDocuments, ImageError, Platforms, Scrutiny,
    StoredDocuments,
};
use dray::oci::Platform;
use dray::ports::{ImageRecord, PlatformMatcher, SnapshotterName, Store};
use dray::pull::{PullError, usable_snapshotter};
use dray::text::escape;

/// The images of one namespace, with what is needed to read them.
pub(super) struct StoredImages {
    pub(super) store: Store,
    /// The snapshotter that the user named.
    named: Option<SnapshotterName>,
    platforms: Platforms,
    matcher: Arc<dyn PlatformMatcher>,
}

/// Connects to containerd, for what needs neither a plugin nor a snapshotter.
pub(super) async fn connect(globals: &Globals, context: &Context) -> Result<Store, Failure> {
    let daemon = DaemonSettings::resolve(globals.daemon(), &context.environment, &context.files)?;
    Ok(containerd(&daemon).await?.into())
}

async fn containerd(daemon: &DaemonSettings) -> Result<Containerd, Failure> {
    let connected = Containerd::connect(&daemon.address, &daemon.namespace).await;
    connected.map_err(|error| Failure::connecting(&error))
}

/// The record that a name means best.
pub(super) async fn record(store: &Store, name: &str) -> Result<ImageRecord, ImageError> {
    let found = image::find(store.images.as_ref(), name).await?;
    match found.into_iter().next() {
        Some(FoundImage { record, .. }) => Ok(record),
        None => Err(ImageError::NoRecord { name: name.to_owned() }),
    }
}

impl StoredImages {
    /// Connects to containerd and loads the platform plugin.
    pub(super) async fn open(
        platforms: PlatformFlags,
        globals: &Globals,
        context: &Context,
    ) -> Result<Self, Failure> {
        let platforms = platforms.resolve(&host_platform::detect())?;
        let daemon = DaemonSettings::resolve(globals.daemon(), &context.environment, &context.files)?;
        let rules = PluginRules::resolve(PluginFlags::default(), &context.files, &platforms)?;
        let source = rules.platform().origin.read()?;
        let plugins = components::host(config::compiled_store(&context.environment).as_deref());

        let loading = async {
            let spec = rules.platform();
            let loading = plugins.matcher_with_grants(&source, &spec.config, &spec.grants);
            let screen = components::patient_screen(&context.screen);
            components::loaded(loading, &source, screen).await.map_err(Failure::from)
        };
        let (containerd, matcher) = tokio::try_join!(containerd(&daemon), loading)?;
        Ok(Self { store: containerd.into(), named: daemon.snapshotter, platforms, matcher })
    }

    /// The snapshotter, for what cannot be done without one.
    pub(super) async fn snapshotter(&self) -> Result<SnapshotterName, Failure> {
        Ok(usable_snapshotter(self.store.daemon.as_ref(), self.named.as_ref()).await?)
    }

    /// The snapshotter, for what can be said without one: `None`, with a note, if the user named none and
    /// containerd has not loaded the default.
    pub(super) async fn snapshotter_if_loaded(
        &self,
        context: &Context,
    ) -> Result<Option<SnapshotterName>, Failure> {
        match usable_snapshotter(self.store.daemon.as_ref(), self.named.as_ref()).await {
            Ok(name) => Ok(Some(name)),
            Err(error @ (PullError::UnknownSnapshotter { .. } | PullError::DeadSnapshotter { .. }))
                if self.named.is_none() =>
            {
                let note = format!("note: {error}; what is unpacked is not known");
                context.screen.print(&escape::line(&note));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The record that a name means best.
    pub(super) async fn record(&self, name: &str) -> Result<ImageRecord, ImageError> {
        record(&self.store, name).await
    }

    /// The documents of an image for the wanted platform; of several, for the first.
    pub(super) async fn documents(&self, record: &ImageRecord) -> Result<ImageDocuments, ImageError> {
        image::read_image_config(self.source(), self.matcher.as_ref(), &record.target, self.wanted()).await
    }

    /// The manifest of an image for the wanted platform; of several, for the first.
    pub(super) async fn manifest(&self, record: &ImageRecord) -> Result<ChosenManifest, ImageError> {
        image::read_manifest(self.source(), self.matcher.as_ref(), &record.target, self.wanted()).await
    }

    /// What there is of an image for the wanted platforms.
    pub(super) async fn completeness(
        &self,
        record: &ImageRecord,
        snapshotter: Option<&SnapshotterName>,
        scrutiny: Scrutiny,
    ) -> Result<Completeness, ImageError> {
        let (store, matcher) = (&self.store, self.matcher.as_ref());
        image::completeness(store, matcher, snapshotter, &record.target, &self.platforms, scrutiny).await
    }

    /// Says that an image without index is for another platform than the wanted one.
    pub(super) fn note_other_platform(&self, found: &Platform, context: &Context) {
        let note = format!("note: the image is for {found} only, {} is wanted", self.platforms);
        context.screen.print(&escape::line(&note));
    }

    /// The documents of all images.
    pub(super) fn source(&self) -> StoredDocuments<'_> {
        StoredDocuments(self.store.content.as_ref())
    }

    fn wanted(&self) -> &Platform {
        match &self.platforms {
            Platforms::One(platform) | Platforms::All { host: platform, .. } => platform,
            // There are at least two of them.
            Platforms::Several(platforms) => &platforms[0],
        }
    }
}
