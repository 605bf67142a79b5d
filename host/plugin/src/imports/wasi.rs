//! The interfaces of WASI 0.2 that the runtime links, by name and function.

use super::Known;

/// The remedy for an import of WASI that is not offered.
pub(super) const REMEDY: &str = "of WASI this host has what toolchains put into a component by themselves, in \
    version 0.2 and with nothing behind it: build the plugin without what it imports beyond that";

/// The offered interfaces, in the newest version that the runtime knows. Older versions are of the same track.
pub(super) const KNOWN: &[Known] = &[
    known("wasi:cli/environment", &["get-environment", "get-arguments", "initial-cwd"]),
    known("wasi:cli/exit", &["exit", "exit-with-code"]),
    known("wasi:cli/stdin", &["get-stdin"]),
    known("wasi:cli/stdout", &["get-stdout"]),
    known("wasi:cli/stderr", &["get-stderr"]),
    known("wasi:cli/terminal-input", &[]),
    known("wasi:cli/terminal-output", &[]),
    known("wasi:cli/terminal-stdin", &["get-terminal-stdin"]),
    known("wasi:cli/terminal-stdout", &["get-terminal-stdout"]),
    known("wasi:cli/terminal-stderr", &["get-terminal-stderr"]),
    known("wasi:clocks/monotonic-clock", &["now", "resolution", "subscribe-instant", "subscribe-duration"]),
    known("wasi:clocks/wall-clock", &["now", "resolution"]),
    known(
        "wasi:filesystem/types",
        &[
            "[method]descriptor.read-via-stream",
            "[method]descriptor.write-via-stream",
            "[method]descriptor.append-via-stream",
            "[method]descriptor.advise",
            "[method]descriptor.sync-data",
            "[method]descriptor.get-flags",
            "[method]descriptor.get-type",
            "[method]descriptor.set-size",
            "[method]descriptor.set-times",
            "[method]descriptor.read",
            "[method]descriptor.write",
            "[method]descriptor.read-directory",
            "[method]descriptor.sync",
            "[method]descriptor.create-directory-at",
            "[method]descriptor.stat",
            "[method]descriptor.stat-at",
            "[method]descriptor.set-times-at",
            "[method]descriptor.link-at",
            "[method]descriptor.open-at",
            "[method]descriptor.readlink-at",
            "[method]descriptor.remove-directory-at",
            "[method]descriptor.rename-at",
            "[method]descriptor.symlink-at",
            "[method]descriptor.unlink-file-at",
            "[method]descriptor.is-same-object",
            "[method]descriptor.metadata-hash",
            "[method]descriptor.metadata-hash-at",
            "[method]directory-entry-stream.read-directory-entry",
            "filesystem-error-code",
        ],
    ),
    known("wasi:filesystem/preopens", &["get-directories"]),
    known("wasi:io/error", &["[method]error.to-debug-string"]),
    known("wasi:io/poll", &["[method]pollable.ready", "[method]pollable.block", "poll"]),
    known(
        "wasi:io/streams",
        &[
            "[method]input-stream.read",
            "[method]input-stream.blocking-read",
            "[method]input-stream.skip",
            "[method]input-stream.blocking-skip",
            "[method]input-stream.subscribe",
            "[method]output-stream.check-write",
            "[method]output-stream.write",
            "[method]output-stream.blocking-write-and-flush",
            "[method]output-stream.flush",
            "[method]output-stream.blocking-flush",
            "[method]output-stream.subscribe",
            "[method]output-stream.write-zeroes",
            "[method]output-stream.blocking-write-zeroes-and-flush",
            "[method]output-stream.splice",
            "[method]output-stream.blocking-splice",
        ],
    ),
    known("wasi:random/insecure-seed", &["insecure-seed"]),
    known("wasi:random/insecure", &["get-insecure-random-bytes", "get-insecure-random-u64"]),
    known("wasi:random/random", &["get-random-bytes", "get-random-u64"]),
    known("wasi:sockets/network", &[]),
    known("wasi:sockets/instance-network", &["instance-network"]),
    known(
        "wasi:sockets/ip-name-lookup",
        &[
            "[method]resolve-address-stream.resolve-next-address",
            "[method]resolve-address-stream.subscribe",
            "resolve-addresses",
        ],
    ),
    known(
        "wasi:sockets/tcp",
        &[
            "[method]tcp-socket.start-bind",
            "[method]tcp-socket.finish-bind",
            "[method]tcp-socket.start-connect",
            "[method]tcp-socket.finish-connect",
            "[method]tcp-socket.start-listen",
            "[method]tcp-socket.finish-listen",
            "[method]tcp-socket.accept",
            "[method]tcp-socket.local-address",
            "[method]tcp-socket.remote-address",
            "[method]tcp-socket.is-listening",
            "[method]tcp-socket.address-family",
            "[method]tcp-socket.set-listen-backlog-size",
            "[method]tcp-socket.keep-alive-enabled",
            "[method]tcp-socket.set-keep-alive-enabled",
            "[method]tcp-socket.keep-alive-idle-time",
            "[method]tcp-socket.set-keep-alive-idle-time",
            "[method]tcp-socket.keep-alive-interval",
            "[method]tcp-socket.set-keep-alive-interval",
            "[method]tcp-socket.keep-alive-count",
            "[method]tcp-socket.set-keep-alive-count",
            "[method]tcp-socket.hop-limit",
            "[method]tcp-socket.set-hop-limit",
            "[method]tcp-socket.receive-buffer-size",
            "[method]tcp-socket.set-receive-buffer-size",
            "[method]tcp-socket.send-buffer-size",
            "[method]tcp-socket.set-send-buffer-size",
            "[method]tcp-socket.subscribe",
            "[method]tcp-socket.shutdown",
        ],
    ),
    known("wasi:sockets/tcp-create-socket", &["create-tcp-socket"]),
    known(
        "wasi:sockets/udp",
        &[
            "[method]udp-socket.start-bind",
            "[method]udp-socket.finish-bind",
            "[method]udp-socket.stream",
            "[method]udp-socket.local-address",
            "[method]udp-socket.remote-address",
            "[method]udp-socket.address-family",
            "[method]udp-socket.unicast-hop-limit",
            "[method]udp-socket.set-unicast-hop-limit",
            "[method]udp-socket.receive-buffer-size",
            "[method]udp-socket.set-receive-buffer-size",
            "[method]udp-socket.send-buffer-size",
            "[method]udp-socket.set-send-buffer-size",
            "[method]udp-socket.subscribe",
            "[method]incoming-datagram-stream.receive",
            "[method]incoming-datagram-stream.subscribe",
            "[method]outgoing-datagram-stream.check-send",
            "[method]outgoing-datagram-stream.send",
            "[method]outgoing-datagram-stream.subscribe",
        ],
    ),
    known("wasi:sockets/udp-create-socket", &["create-udp-socket"]),
];

const fn known(interface: &'static str, functions: &'static [&'static str]) -> Known {
    Known { interface, version: "0.2.12", functions }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Linker;
    use wasmtime::{Config, Engine};

    use super::*;

    /// A second definition fails, so a successful one shows that the interface was not linked.
    #[test]
    fn the_runtime_links_each_of_them() {
        let engine = Engine::new(Config::new().concurrency_support(false)).unwrap();
        let mut linker = Linker::new(&engine);
        crate::wasi::link(&mut linker).unwrap();
        for known in KNOWN {
            let name = format!("{}@0.2.12", known.interface);
            let mut instance = linker.instance(&name).unwrap();
            for function in known.functions {
                let defined = instance.func_wrap(function, |_, (): ()| Ok(()));
                assert!(defined.is_err(), "the runtime does not link {name} {function}");
            }
        }
    }
}
