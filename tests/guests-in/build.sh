#!/bin/sh
# Builds a plugin in each language beside this file, unless it is built already. What `make guests` does.
#
# usage: build.sh [LANGUAGE]
#
# The components go to a folder for each language below DRAY_GUESTS_DIR, which is `guests-in` in cargo's target directory
# unless it is set. So do the tools, in the versions that the lock files beside the sources pin. A language whose tools
# are not here is left out, and its tests are skipped.
set -eu
cd "$(dirname "$0")"

PATH=$PATH:/usr/local/go/bin
sources=$PWD
wit=$(cd ../../wit && pwd)
target=${DRAY_GUESTS_DIR:-${CARGO_TARGET_DIR:-$PWD/../../target}/guests-in}
left_out=''

# Compares versions by their first number.
is_node_new() {
    [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ]
}

# A core module: the tests make a component of it.
build_go() {
    GOOS=wasip1 GOARCH=wasm go build -C "$sources/go" -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' \
        -o "$PWD/plugin.wasm"
}

# Twice with a small engine, in the two forms that ask most of the host, and once with a whole one.
build_javascript() {
    cp "$sources"/javascript/*.json "$sources"/javascript/*.js "$sources"/javascript/*.mjs .
    npm ci --no-audit --no-fund --loglevel=error
    npx componentize-qjs -w "$wit/snapshotter" -n plugin -j plugin.js --sync -o small.wasm
    npx componentize-qjs -w "$wit/snapshotter" -n plugin -j plugin.js --sync --opt-size --stub-wasi -o smallest.wasm
    node build.mjs "$wit/snapshotter" full.wasm
}

build_python() {
    python3 -m venv tools
    tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$sources/python/requirements.txt"
    # It leaves what it compiled beside the sources.
    cp "$sources/python/my_plugin.py" .
    tools/bin/componentize-py -d "$wit/platform" -w plugin componentize my_plugin -o plugin.wasm
}

build() { # LANGUAGE
    mkdir -p "$target/$1"
    (
        cd "$target/$1"
        # Another build may be under way.
        flock 9
        # All sources of the language, and what all have in common.
        built_from=$(find "$sources/$1" "$wit" "$sources/build.sh" -type f -exec sha256sum {} + | sort | sha256sum)
        [ "$built_from" != "$(cat built-from 2>/dev/null)" ] || exit 0
        echo "Building a plugin in $1"
        rm -f ./*.wasm
        "build_$1" </dev/null
        echo "$built_from" >built-from
    ) 9>"$target/$1.lock"
}

if [ $# != 0 ]; then
    build "$1"
    exit
fi

try() { # LANGUAGE TOOL REMEDY
    if ! command -v "$2" >/dev/null || { [ "$2" = node ] && ! is_node_new; }; then
        echo "$3: the tests of plugins in $1 will be skipped."
    elif ./build.sh "$1"; then
        return
    else
        echo "The plugin in $1 cannot be built: its tests will be skipped."
    fi
    left_out="$left_out $1"
}

try go go 'Go is not installed'
try javascript node 'Node.js 20 or later is not installed'
try python python3 'Python 3 is not installed'

# Unless leaving out is not allowed.
[ -z "$left_out" ] || [ "${DRAY_TESTS_REQUIRE_ALL:-}" != 1 ]
