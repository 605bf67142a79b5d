#!/usr/bin/env bash
# The part of the lazy demo that needs root: starts a private registry, a stargz snapshotter and a containerd that has it,
# pulls an eStargz image, runs a container, and removes everything. Runs in namespaces like pull-and-run.sh.
#
# usage: pull-lazily.sh DRAY CACHE DAEMONS     DAEMONS has what tests/daemons/build.sh makes of "snapshotters"
set -euo pipefail

dray=$1 cache=$2 daemons=$3
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/demo/private.sh
. "$here/private.sh"

convert() { # the image into eStargz form, unless the cache holds it
    local made_from
    made_from=$(cat "$cache/layout/index.json" "$daemons/to-estargz" | sha256sum)
    [ "$made_from" != "$(cat "$cache/estargz/made-from" 2>/dev/null)" ] || return 0
    rm -rf "$cache/estargz"
    "$daemons/to-estargz" "$cache/layout" "$cache/estargz"
    echo "$made_from" >"$cache/estargz/made-from"
}
start_stargz() {
    # What it fetches in the background would come anyway, some time later.
    printf 'noprefetch = true\nno_background_fetch = true\n' >"$dir/stargz.toml"
    # Real credentials have no place in a demo.
    HOME=$dir DOCKER_CONFIG=$dir "$daemons/stargz-snapshotter" --address "$dir/stargz.sock" \
        --root "$dir/stargz" --config "$dir/stargz.toml" >"$dir/stargz.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for 'The stargz snapshotter' "$dir/stargz.log" test -S "$dir/stargz.sock"
}
served() { # the bytes of blobs that the registry sent: its log has a status and a number for each request
    sed -n 's,.*"GET /v2/[^ ]*/blobs/[^ ]* [^"]*" 20[06] \([0-9]*\) .*,\1,p' "$dir/registry.log" |
        awk '{ bytes += $1 } END { printf "%.1f MiB", bytes / 1048576 }'
}

"$here/make-image.sh" "$cache"
say 'Converting its layers to eStargz, and putting it on a private registry'
convert
start_registry
push "$cache/estargz"
image=$registry/debian:demo

say "Starting a stargz snapshotter and a private containerd ($(containerd --version | cut -d ' ' -f 3)) in $dir"
start_stargz
start_containerd "[proxy_plugins.stargz]
  type = \"snapshot\"
  address = \"$dir/stargz.sock\""

say 'Asking what each snapshotter would make of it'
show "$dray" --address "$socket" image explain "$image"

say 'Pulling it into the one that suits it best'
show "$dray" --address "$socket" pull --snapshotter auto "$image"

say 'Running a container from it'
show ctr --address "$socket" run --rm --snapshotter stargz "$image" demo cat /etc/os-release
echo
echo "The registry has sent $(served) of blobs until now: what the container has read, and the documents."

say 'Looking at what is there'
show "$dray" --address "$socket" --snapshotter auto image check "$image"
say 'Removing everything'
