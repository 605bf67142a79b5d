#!/bin/sh
# Builds the containerd lines that Debian does not have, unless they are built already. What `make daemons` does.
#
# Each folder beside this file is a Go module that pins one line; its programs go to a folder of the same name
# below DRAY_DAEMONS_DIR, which is `daemons` in cargo's target directory unless it is set.
set -eu
cd "$(dirname "$0")"

PATH=$PATH:/usr/local/go/bin
if ! command -v go >/dev/null; then
    echo "Go is not installed: tests that need containerd 1.7 or 2 will be skipped."
    # Unless skipping is not allowed.
    [ "${DRAY_TESTS_REQUIRE_ALL:-}" != 1 ]
    exit
fi
target=${DRAY_DAEMONS_DIR:-${CARGO_TARGET_DIR:-$PWD/../../target}/daemons}
# What containerd can do without: these need headers or kernels that a test machine may lack.
tags='no_aufs no_btrfs no_cri no_devmapper no_zfs'

for module in */go.mod; do
    line=${module%/go.mod}
    mkdir -p "$target/$line"
    (
        # Another build of the same line may be under way.
        flock 9
        built_from=$(cat "$line/go.mod" "$line/go.sum" build.sh | sha256sum)
        [ "$built_from" != "$(cat "$target/$line/built-from" 2>/dev/null)" ] || exit 0
        echo "Building containerd $line with $(go env GOVERSION)"
        CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false -trimpath ${GOFLAGS:-}" \
            go build -C "$line" -tags "$tags" -ldflags '-s -w' -o "$target/$line/" tool </dev/null
        echo "$built_from" >"$target/$line/built-from"
    ) 9>"$target/$line/lock"
done
