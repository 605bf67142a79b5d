#!/bin/sh
# Builds the components in plugins/dist from the sources of the plugins.
#
# The target wasm32-unknown-unknown comes from where it can be had, in this order: the installed toolchain;
# rustup; Debian's packages of a newer compiler with the sources of its standard library.
#
# Reproducible are the component of a given module, and the module for the same sources, the same compiler and
# the same linker, wherever the checkout and cargo's home lie. Not reproducible is the module across compilers:
# another version of rustc, or the same one with a standard library that was built by somebody else, makes
# other code. The manifest therefore says what compiled the modules.
set -eu

plugins=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
target=wasm32-unknown-unknown
packages='rustc-web rust-web-src lld-22'
cd "$plugins"

say() {
    printf 'plugins: %s\n' "$*" >&2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

has_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]
}

has_packages() {
    # Word by word: it is a list.
    # shellcheck disable=SC2086
    [ -x /usr/bin/rustc ] && dpkg-query --show $packages >/dev/null 2>&1
}

build() {
    # No path of this machine may be left in the component.
    home=${CARGO_HOME:-$HOME/.cargo}
    RUSTFLAGS="--remap-path-prefix=$plugins=/dray/plugins --remap-path-prefix=$home/registry/src=/crates"
    RUSTFLAGS="$RUSTFLAGS --remap-path-prefix=$("$RUSTC" --print sysroot)/lib/rustlib/src/rust=/rust"
    export RUSTFLAGS
    set -- "$@" --package cvmfs --package nydus --package overlaybd --package overlayfs --package platform
    cargo build --locked --release --target "$target" --package soci --package stargz "$@"
    unset RUSTFLAGS
}

if has_target || { command -v rustup >/dev/null && say "adding target $target" && rustup target add "$target" >&2; }; then
    RUSTC=$(command -v rustc)
    export RUSTC
    toolchain="$(rustc --version), $target of the same toolchain"
    build
else
    if ! has_packages; then
        say "rustup cannot add the target; installing Debian's $packages"
        as_root apt-get update --quiet
        # shellcheck disable=SC2086
        as_root apt-get install --quiet --yes --no-install-recommends $packages
    fi
    RUSTC=/usr/bin/rustc
    export RUSTC
    toolchain="$($RUSTC --version), standard library from source, $(wasm-ld-22 --version)"
    # The standard library has to be built, which this compiler allows only on request.
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    build -Zbuild-std=std,panic_abort
    unset RUSTC_BOOTSTRAP CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
fi
# What packs runs here, so it is built by the toolchain of the tree.
unset RUSTC

modules="${CARGO_TARGET_DIR:-$plugins/target}/$target/release"
cargo run --quiet --locked --package pack -- "$modules" "$toolchain"
