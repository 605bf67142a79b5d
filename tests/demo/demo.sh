#!/usr/bin/env bash
# What `make demo` does: pulls a real image with dray into a private containerd and runs a container from it.
#
# usage: demo.sh [IMAGE]     for example docker.io/library/debian:12; without one, an image is made and
#                            pulled from a private registry, which needs a Debian mirror but no other registry
set -euo pipefail
cd "$(dirname "$0")/../.."

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
exec "${as_root[@]}" unshare --mount --pid --fork --kill-child --mount-proc \
    tests/demo/pull-and-run.sh "${DRAY_BIN:-$target/debug/dray}" "$target/demo" "$@"
