use super::SettingsError;
use super::setting::filled;
use dray_core::limits;
use dray_core::oci::Platform;
use dray_pull::image::Platforms;

/// What the caller gives about platforms.
#[derive(Clone, Debug, Default)]
pub struct PlatformFlags {
    /// The wanted platforms, such as `linux/arm64`. What one leaves out comes from this machine.
    pub platforms: Vec<String>,
    /// Everything that an image offers; comes before `platforms`.
    pub all: bool,
    /// With `all`, attestations and other entries of unknown platform as well.
    pub attestations: bool,
}

impl PlatformFlags {
    /// The platforms that are meant; that of this machine if none is given.
    ///
    /// # Errors
    ///
    /// Fails if one of the platforms is empty or cannot be understood, and if there are too many.
    pub fn resolve(self, host: &Platform) -> Result<Platforms, SettingsError> {
        let Self { platforms, all, attestations } = self;
        let normal = host.normalized(host);
        if all {
            return Ok(Platforms::All { host: normal, attestations });
        }
        let parse = |text: String| {
            Platform::parse(&filled("platform", &text)?, host)
                .map_err(|source| SettingsError::Platform { source })
        };
        let platforms: Vec<Platform> = platforms.into_iter().map(parse).collect::<Result<_, _>>()?;
        let platforms = Platforms::listed(platforms).unwrap_or(Platforms::One(normal));
        let (found, limit) = (platforms.wanted().len(), limits::WANTED_PLATFORMS);
        if found > limit {
            return Err(SettingsError::TooManyPlatforms { found, limit });
        }
        Ok(platforms)
    }
}
