use crate::interrupt::Signal;

/// The kind of an error, for users and programs. Names and exit statuses are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A fault of this program or of the machine.
    Internal,
    /// The command line is wrong.
    Usage,
    /// A configuration file, variable or setting is wrong.
    Configuration,
    /// There is no such repository, tag or blob.
    NotFound,
    /// The registry refuses access.
    Denied,
    /// The registry cannot be reached; a later try may succeed.
    Unavailable,
    /// Content is damaged, or the server is not a registry.
    Corrupt,
    /// A plugin failed.
    Plugin,
    /// containerd cannot be reached, or failed.
    Containerd,
    /// The image is valid, but this program, platform or snapshotter does not support it.
    Unsupported,
    /// A signal ended the command.
    Cancelled(Signal),
}

impl Kind {
    /// All of them, in the order of the documentation.
    pub(crate) const ALL: [Self; 12] = [
        Self::Internal,
        Self::Usage,
        Self::Configuration,
        Self::NotFound,
        Self::Denied,
        Self::Unavailable,
        Self::Corrupt,
        Self::Plugin,
        Self::Containerd,
        Self::Unsupported,
        Self::Cancelled(Signal::Interrupt),
        Self::Cancelled(Signal::Terminate),
    ];

    /// The exit status.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::NotFound => 4,
            Self::Denied => 5,
            Self::Unavailable => 6,
            Self::Corrupt => 7,
            Self::Plugin => 8,
            Self::Containerd => 9,
            Self::Unsupported => 10,
            Self::Cancelled(signal) => signal.exit_code(),
        }
    }

    /// The name, for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Plugin => "plugin",
            Self::Containerd => "containerd",
            Self::Unsupported => "unsupported",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// The meaning of the exit status.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Internal => "a fault of the program or of the machine",
            Self::Usage => {
                "the command line is wrong: an option, a reference, a platform, a plugin file that cannot be read"
            }
            Self::Configuration => {
                "a setting is wrong: a file, a variable, a plugin's configuration or grants, a snapshotter that containerd does not have"
            }
            Self::NotFound => {
                "the registry has no such repository, tag or blob, or containerd has no such image or only a part of it"
            }
            Self::Denied => "the registry refuses access",
            Self::Unavailable => "the registry cannot be reached or is busy; a later try may succeed",
            Self::Corrupt => {
                "content in the registry or in containerd is damaged or inconsistent, or the server is not a registry"
            }
            Self::Plugin => "a plugin is incompatible, failed, exceeded a limit, or made an invalid plan",
            Self::Containerd => "containerd or the snapshotter cannot be reached, denies access, or failed",
            Self::Unsupported => {
                "the image is valid, but this program, platform or snapshotter does not support it"
            }
            Self::Cancelled(Signal::Interrupt) => "SIGINT, which ctrl-c sends",
            Self::Cancelled(Signal::Terminate) => "SIGTERM",
        }
    }
}
