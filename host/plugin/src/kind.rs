/// What a plugin does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// It knows a snapshotter.
    Snapshotter,
    /// It chooses among platforms.
    Platform,
}

impl PluginKind {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshotter => "snapshotter",
            Self::Platform => "platform",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Snapshotter, Self::Platform].into_iter().find(|kind| kind.as_str() == word)
    }
}
