#!/bin/sh
# Builds the daemons that Debian does not have, unless they are built already. What `make daemons` does.
#
# Each folder beside this file is a Go module that pins one line of containerd, or the daemons of lazy snapshotters. Its
# programs go to a folder of the same name below DRAY_DAEMONS_DIR, which is `daemons` in cargo's target directory unless it
# is set. The programs of nydus are a crate, and go to the folder `nydus`.
#
# usage: build.sh [FOLDER...]     only these folders, such as `snapshotters`
set -eu
cd "$(dirname "$0")"

PATH=$PATH:/usr/local/go/bin
if ! command -v go >/dev/null; then
    echo "Go is not installed: tests that need containerd 1.7 or 2, or a lazy snapshotter, will be skipped."
    # Unless skipping is not allowed.
    [ "${DRAY_TESTS_REQUIRE_ALL:-}" != 1 ]
    exit
fi
target=${DRAY_DAEMONS_DIR:-${CARGO_TARGET_DIR:-$PWD/../../target}/daemons}
# What containerd can do without: these need headers or kernels that a test machine may lack.
tags='no_aufs no_btrfs no_cri no_devmapper no_zfs'
# Its lock file comes with it.
nydus='nydus-rs --version 2.2.0 --locked --no-default-features --features fuse-backend-rs/fusedev,backend-registry'

only=" $* "

# Runs a function once for each version of what it builds from, if the folder is wanted.
build() { # FOLDER BUILT-FROM FUNCTION
    case $only in '  ' | *" $1 "*) ;; *) return 0 ;; esac
    mkdir -p "$target/$1"
    (
        # Another build of the same may be under way.
        flock 9
        built_from=$(echo "$2" | sha256sum)
        [ "$built_from" != "$(cat "$target/$1/built-from" 2>/dev/null)" ] || exit 0
        "$3" "$1" </dev/null
        echo "$built_from" >"$target/$1/built-from"
    ) 9>"$target/$1/lock"
}

build_go() { # MODULE
    echo "Building $1 with $(go env GOVERSION)"
    cgo=0 own=''
    if [ "$1" = snapshotters ]; then
        # SOCI reads gzip with zlib, which it links statically.
        cgo=1 own='./...'
    fi
    CGO_ENABLED=$cgo GOFLAGS="-mod=readonly -buildvcs=false -trimpath ${GOFLAGS:-}" \
        go build -C "$1" -tags "$tags" -ldflags '-s -w' -o "$target/$1/" tool $own
}

# Not optimised: that takes minutes, and tests of a few files notice nothing.
build_nydus() {
    echo "Building nydus with $(${CARGO:-cargo} --version)"
    # shellcheck disable=SC2086 # arguments
    CARGO_TARGET_DIR="$target/nydus/target" CARGO_PROFILE_DEV_DEBUG=0 OPENSSL_NO_VENDOR=1 \
        ${CARGO:-cargo} install --quiet --debug --root "$target/nydus" $nydus
    mv "$target"/nydus/bin/nydusd "$target"/nydus/bin/nydus-image "$target/nydus/"
    # nydusd wants to open more files than it may in a container.
    # shellcheck disable=SC2016 # for the script
    printf '#!/bin/sh\nexec "${0%%.sh}" "$@" --rlimit-nofile 0\n' >"$target/nydus/nydusd.sh"
    chmod 755 "$target/nydus/nydusd.sh"
    rm -rf "$target/nydus/target" "$target/nydus/bin" "$target"/nydus/.crates*
}

for module in */go.mod; do
    module=${module%/go.mod}
    build "$module" "$(find "$module" build.sh -type f -exec sha256sum {} + | sort)" build_go
done
build nydus "$nydus" build_nydus
