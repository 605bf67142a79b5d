#!/usr/bin/env bash
# The part of the demo that needs root: starts a private containerd and a registry, pulls, runs, pulls again,
# and removes everything. Runs in mount and process namespaces of its own, so that nothing can stay behind.
#
# usage: pull-and-run.sh DRAY CACHE [IMAGE]
set -euo pipefail

dray=$1 cache=$2 image=${3:-}
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/demo/private.sh
. "$here/private.sh"

say "Starting a private containerd ($(containerd --version | cut -d ' ' -f 3)) in $dir"
start_containerd ''
registry=''
if [ -z "$image" ]; then
    "$here/make-image.sh" "$cache"
    say 'Starting a private registry and putting the image on it'
    start_registry
    image=$registry/debian:demo
    push "$cache/layout"
fi

say 'Pulling it with dray'
show "$dray" --address "$socket" pull "$image"

say 'Running a container from it'
show ctr --address "$socket" run --rm "$image" demo cat /etc/os-release

say 'Pulling it again'
before=$([ -z "$registry" ] || fetched_blobs)
show "$dray" --address "$socket" pull "$image"
if [ -n "$registry" ]; then
    echo
    echo "Blobs fetched: $before by the first pull, $(($(fetched_blobs) - before)) by the second."
    [ "$(fetched_blobs)" -eq "$before" ] || { echo 'The second pull should have fetched none.' >&2; exit 1; }
fi
say 'Removing everything'
