# shellcheck shell=bash
# What the demos need: a directory of their own, a private containerd, a private registry, and their removal.
# Sourced by the scripts that run in mount and process namespaces of their own. $dray is the program.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# In memory if there is room, unless TMPDIR says otherwise: files by the thousand are made and removed. A
# container's /tmp would not do, because overlayfs cannot work on top of another overlayfs.
parent=${TMPDIR:-/tmp}
room=$(stat --file-system --format='%a*%S' /dev/shm 2>/dev/null || echo 0)
if [ -z "${TMPDIR:-}" ] && [ "$((room))" -gt $((2 << 30)) ]; then
    parent=/dev/shm
fi
dir=$(mktemp --directory "$parent/dray-demo.XXXXXX")
pids=()
# Containers of every containerd keep sockets and pipes here. The machine's own must not see ours.
shared=/run/containerd

remove_everything() {
    local pid mount
    trap '' INT TERM
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        timeout 10 tail --pid="$pid" --follow /dev/null || kill -KILL "$pid"
    done
    cut --delimiter=' ' --fields=5 /proc/self/mountinfo | sort --reverse | while read -r mount; do
        [[ $mount != "$dir"/* && $mount != "$shared" ]] || umount --lazy "$mount"
    done
    rm -rf --one-file-system "$dir"
    rmdir --ignore-fail-on-non-empty "$shared"
}
trap remove_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n==> %s\n' "$*"; }
show() { # COMMAND...: shows it as a user would type it, then runs it
    printf '\n$ %s\n' "${*/#$dray/dray}"
    "$@"
}
wait_for() { # WHAT LOG COMMAND...: until the command succeeds
    local what=$1 log=$2 tries=0
    shift 2
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "$what did not start:" >&2
            cat "$log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

start_containerd() { # CONFIGURATION: with this text at the end of its configuration
    cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
  address = "$socket"
[ttrpc]
  address = "$socket.ttrpc"
$1
TOML
    containerd --config "$dir/containerd.toml" >"$dir/containerd.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for containerd "$dir/containerd.log" containerd_answers
}
containerd_answers() { ctr --address "$socket" version >/dev/null 2>&1; }

start_registry() {
    cat >"$dir/registry.yml" <<YAML
version: 0.1
storage: {filesystem: {rootdirectory: $dir/registry}}
http: {addr: '127.0.0.1:0'}
YAML
    OTEL_TRACES_EXPORTER=none docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 </dev/null &
    pids+=($!)
    wait_for docker-registry "$dir/registry.log" grep -qs 'listening on .*go.version' "$dir/registry.log"
    registry=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$dir/registry.log")
}
push() { # LAYOUT: its tag "demo" becomes the tag "demo" of the image "debian"
    skopeo --insecure-policy copy --quiet --all --preserve-digests --dest-tls-verify=false \
        "oci:$1:demo" "docker://$registry/debian:demo" </dev/null
}
fetched_blobs() { grep -c '"GET /v2/.*/blobs/.* 200 ' "$dir/registry.log" || true; }

mkdir -p "$shared"
mount -t tmpfs tmpfs "$shared"
# A cache of compiled plugins that goes with the rest.
export XDG_CACHE_HOME=$dir/cache
socket=$dir/containerd.sock
