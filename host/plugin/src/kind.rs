/// The kind of a plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// It plans for a snapshotter.
    Snapshotter,
    /// It chooses among platforms.
    Platform,
}

impl PluginKind {
    /// The name of the kind on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshotter => "snapshotter",
            Self::Platform => "platform",
        }
    }

    /// The kind with this name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Snapshotter, Self::Platform].into_iter().find(|kind| kind.as_str() == word)
    }
}
