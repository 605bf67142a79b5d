#!/bin/sh
# Installs what is missing, builds, and runs every test. What `make test` does.
#
# usage: test.sh [ARGUMENT...]     passed on to the test runner, for example the name of a test
set -eu
cd "$(dirname "$0")/../.."

tests/setup/install.sh
${CARGO:-cargo} build --workspace
tests/daemons/build.sh
tests/guests-in/build.sh

# The plugins' own tests run natively: no WebAssembly target is needed for them.
(cd plugins && ${CARGO:-cargo} test --workspace --quiet)

# Mounting needs root. Only the tests run as root, not the compiler.
as_root=''
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null; then
        as_root=sudo
        set -- --config 'target."cfg(unix)".runner = "sudo -E"' "$@"
    else
        echo "Neither root nor sudo: tests that need root will be skipped."
    fi
fi
# Only making the image of the demo needs a Debian mirror, pulling it does not. It is kept.
$as_root tests/demo/make-image.sh "${CARGO_TARGET_DIR:-target}/demo" ||
    echo 'There is no image of the demo: the tests that pull it will be skipped.'

if ${CARGO:-cargo} nextest --version >/dev/null 2>&1; then
    ${CARGO:-cargo} nextest run --workspace --no-fail-fast "$@"
    ${CARGO:-cargo} test --workspace --doc
else
    ${CARGO:-cargo} test --workspace --no-fail-fast "$@"
fi
