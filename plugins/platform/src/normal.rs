use dray_plugin::platform::Platform;

/// A platform in normal form: lower case, one name for each architecture, no variant where it is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Normal {
    pub(crate) os: String,
    pub(crate) architecture: String,
    /// Empty where there is none.
    pub(crate) variant: String,
    /// Empty where it is not stated.
    pub(crate) os_version: String,
    /// Sorted, each once.
    pub(crate) os_features: Vec<String>,
}

impl Normal {
    /// The normal form, or `None` if there is no operating system. containerd takes that of the machine then,
    /// but a plugin is on no machine.
    pub(crate) fn of(platform: &Platform) -> Option<Self> {
        let os = match platform.os.to_ascii_lowercase() {
            os if os.is_empty() => return None,
            os if os == "macos" => "darwin".to_owned(),
            os => os,
        };
        let (architecture, variant) =
            architecture(&platform.architecture, platform.variant.as_deref().unwrap_or_default());
        let mut os_features = platform.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Some(Self {
            os,
            architecture,
            variant,
            os_version: platform.os_version.clone().unwrap_or_default(),
            os_features,
        })
    }

    /// The normal form of an offer. On Windows it is without the feature `win32k`: images carry it, hosts do not
    /// list it. As in containerd, that is one entry of the list as it is written.
    pub(crate) fn of_offer(platform: &Platform) -> Option<Self> {
        let normal = Self::of(platform)?;
        let win32k = platform.os_features.iter().position(|feature| feature == "win32k");
        match win32k.filter(|_| normal.os == "windows") {
            None => Some(normal),
            Some(win32k) => {
                let mut stripped = platform.clone();
                stripped.os_features.remove(win32k);
                Self::of(&stripped)
            }
        }
    }

    /// The same operating system on another architecture.
    pub(crate) fn on(&self, architecture: &str, variant: String) -> Self {
        Self { architecture: architecture.to_owned(), variant, ..self.clone() }
    }
}

/// Normal form of an architecture and its variant.
fn architecture(architecture: &str, variant: &str) -> (String, String) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}
