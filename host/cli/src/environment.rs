//! The environment variables that the program knows. This is the only place that reads them.

use std::ffi::OsString;

use dray::config::Environment;

/// A variable, for the code and for the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name. If there are two spellings, the first one that is set counts.
    pub(crate) names: &'static [&'static str],
    /// What it means.
    pub(crate) meaning: &'static str,
    /// The value without it.
    pub(crate) default: &'static str,
}

/// The configuration file.
pub(crate) const DRAY_CONFIG: Variable = Variable {
    names: &["DRAY_CONFIG"],
    meaning: "configuration file, like `--config`",
    default: "that of the user, then `/etc/dray/dray.toml`",
};

/// Socket of containerd.
pub(crate) const CONTAINERD_ADDRESS: Variable = Variable {
    names: &["CONTAINERD_ADDRESS"],
    meaning: "socket of containerd, like `--address`",
    default: "`/run/containerd/containerd.sock`",
};

/// Namespace in containerd.
pub(crate) const CONTAINERD_NAMESPACE: Variable = Variable {
    names: &["CONTAINERD_NAMESPACE"],
    meaning: "namespace in containerd, like `--namespace`",
    default: "`default`",
};

/// Snapshotter.
pub(crate) const CONTAINERD_SNAPSHOTTER: Variable = Variable {
    names: &["CONTAINERD_SNAPSHOTTER"],
    meaning: "snapshotter to unpack into, or `auto`, like `--snapshotter`",
    default: "the default of the namespace, else `overlayfs`",
};

/// Directory of Docker's configuration.
pub(crate) const DOCKER_CONFIG: Variable = Variable {
    names: &["DOCKER_CONFIG"],
    meaning: "folder whose `config.json` has the credentials for registries",
    default: "`$HOME/.docker`",
};

/// Credentials in addition to those of Docker's configuration.
pub(crate) const DOCKER_AUTH_CONFIG: Variable = Variable {
    names: &["DOCKER_AUTH_CONFIG"],
    meaning: "credentials that come before those of `config.json`: JSON with its member `auths`",
    default: "those of `config.json`",
};

/// Directories of programs.
pub(crate) const PATH: Variable = Variable {
    names: &["PATH"],
    meaning: "folders that are searched for credential helpers",
    default: "no helper is found",
};

/// The user's home.
pub(crate) const HOME: Variable = Variable {
    names: &["HOME"],
    meaning: "home folder, for the defaults of `DOCKER_CONFIG`, `XDG_CONFIG_HOME` and `XDG_CACHE_HOME`",
    default: "that of the user database",
};

/// Directory of the user's configuration.
pub(crate) const XDG_CONFIG_HOME: Variable = Variable {
    names: &["XDG_CONFIG_HOME"],
    meaning: "folder for configuration, an absolute path; `containerd/certs.d` and `docker/certs.d` below it are the registry directories of users other than root",
    default: "`$HOME/.config`",
};

/// Directory of the user's caches.
pub(crate) const XDG_CACHE_HOME: Variable = Variable {
    names: &["XDG_CACHE_HOME"],
    meaning: "folder for caches, an absolute path; compiled plugins are kept in `dray/compiled` below it",
    default: "`$HOME/.cache`",
};

/// Proxy for HTTPS.
pub(crate) const HTTPS_PROXY: Variable = Variable {
    names: &["HTTPS_PROXY", "https_proxy"],
    meaning: "proxy for registries that are reached by HTTPS",
    default: "no proxy",
};

/// Proxy for HTTP.
pub(crate) const HTTP_PROXY: Variable = Variable {
    names: &["HTTP_PROXY", "http_proxy"],
    meaning: "proxy for registries that are reached by HTTP",
    default: "no proxy",
};

/// Hosts that are reached without proxy.
pub(crate) const NO_PROXY: Variable = Variable {
    names: &["NO_PROXY", "no_proxy"],
    meaning: "hosts that are reached without a proxy, with commas between them",
    default: "loopback hosts only",
};

/// No colour.
pub(crate) const NO_COLOR: Variable = Variable {
    names: &["NO_COLOR"],
    meaning: "no colour if set to anything, unless `--color` says otherwise",
    default: "colour on terminals",
};

/// Kind of the terminal.
pub(crate) const TERM: Variable = Variable {
    names: &["TERM"],
    meaning: "`dumb` stands for a terminal without colour and without moving progress",
    default: "a capable terminal",
};

/// All of them, in the order of the documentation.
pub(crate) const VARIABLES: [Variable; 15] = [
    DRAY_CONFIG,
    CONTAINERD_ADDRESS,
    CONTAINERD_NAMESPACE,
    CONTAINERD_SNAPSHOTTER,
    DOCKER_CONFIG,
    DOCKER_AUTH_CONFIG,
    PATH,
    HOME,
    XDG_CONFIG_HOME,
    XDG_CACHE_HOME,
    HTTPS_PROXY,
    HTTP_PROXY,
    NO_PROXY,
    NO_COLOR,
    TERM,
];

/// Reads the environment of this process. Where it names no home, as in the units of a system's services, the home is
/// the one that the user database has.
pub(super) fn read() -> Environment {
    let environment = read_from(|name| std::env::var_os(name));
    let home = environment.home.or_else(|| std::env::home_dir().map(OsString::from));
    Environment { home: home.filter(|home| !home.is_empty()), ..environment }
}

fn read_from(lookup: impl Fn(&str) -> Option<OsString>) -> Environment {
    let value = |variable: Variable| {
        let set = variable.names.iter().filter_map(|name| lookup(name));
        set.into_iter().find(|value| !value.is_empty())
    };
    Environment {
        config: value(DRAY_CONFIG),
        address: value(CONTAINERD_ADDRESS),
        namespace: value(CONTAINERD_NAMESPACE),
        snapshotter: value(CONTAINERD_SNAPSHOTTER),
        docker_config: value(DOCKER_CONFIG),
        docker_auth_config: value(DOCKER_AUTH_CONFIG),
        search_path: value(PATH).map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
        home: value(HOME),
        config_home: value(XDG_CONFIG_HOME),
        cache_home: value(XDG_CACHE_HOME),
        https_proxy: value(HTTPS_PROXY),
        http_proxy: value(HTTP_PROXY),
        no_proxy: value(NO_PROXY),
        no_color: value(NO_COLOR),
        terminal: value(TERM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variables_count_as_unset_and_the_first_spelling_wins() {
        let read = read_from(|name| match name {
            "CONTAINERD_ADDRESS" => Some(OsString::new()),
            "HTTPS_PROXY" | "https_proxy" | "http_proxy" => Some(OsString::from(name)),
            _ => None,
        });
        let expected = Environment {
            https_proxy: Some(OsString::from("HTTPS_PROXY")),
            http_proxy: Some(OsString::from("http_proxy")),
            ..Environment::default()
        };
        assert_eq!(read, expected);
    }

    /// The page has one row per variable, word for word.
    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../../docs/cli.md");
        for Variable { names, meaning, default } in VARIABLES {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let row = format!("| {} | {meaning} | {default} |\n", names.join(", "));
            assert!(page.contains(&row), "docs/cli.md lacks the row\n{row}");
        }
    }
}
