#!/usr/bin/env bash
# What `make demo` and `make demo-lazy` do: pull a real image with dray into a private containerd and run a container
# from it.
#
# usage: demo.sh [IMAGE]     for example docker.io/library/debian:12; without one, an image is made and
#                            pulled from a private registry, which needs a Debian mirror but no other registry
#        demo.sh --lazy      pulls that image in eStargz form, into a stargz snapshotter
set -euo pipefail
cd "$(dirname "$0")/../.."

script=tests/demo/pull-and-run.sh
if [ "${1:-}" = --lazy ]; then
    script=tests/demo/pull-lazily.sh
    PATH=$PATH:/usr/local/go/bin
    command -v go >/dev/null || { echo 'This demo builds the stargz snapshotter, which needs Go: https://go.dev/dl' >&2; exit 1; }
    [ -e /dev/fuse ] || { echo 'The stargz snapshotter needs a kernel with FUSE: there is no /dev/fuse.' >&2; exit 1; }
fi

tests/setup/install.sh
# The tests' crate is not needed here, and costs minutes.
echo '==> Building dray (5 to 10 minutes of processor time when nothing is built yet)'
${CARGO:-cargo} build --package dray-cli

# Mounting needs root. Only the demo runs as root, not the compiler.
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo 'Run the demo as root, or install sudo.' >&2; exit 1; }
    as_root=(sudo)
fi
target=$(realpath "${CARGO_TARGET_DIR:-target}")
if [ "${1:-}" = --lazy ]; then
    export DRAY_DAEMONS_DIR=${DRAY_DAEMONS_DIR:-$target/daemons}
    tests/daemons/build.sh snapshotters
    set -- "$DRAY_DAEMONS_DIR/snapshotters"
fi
exec "${as_root[@]}" unshare --mount --pid --fork --kill-child --mount-proc \
    "$script" "${DRAY_BIN:-$target/debug/dray}" "$target/demo" "$@"
