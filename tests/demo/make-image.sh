#!/usr/bin/env bash
# Makes an OCI image layout of a Debian root file system in three layers, unless CACHE holds it already.
#
# usage: make-image.sh CACHE     the layout is CACHE/layout, its tag is "demo"
set -euo pipefail

cache=$1
script=$(realpath "$0")
mkdir -p "$cache"
cd "$cache"

made_by=$(cat "$script" /etc/os-release | sha256sum)
if [ "$made_by" = "$(cat made-by 2>/dev/null)" ]; then
    exit 0
fi
rm -rf layout layers made-by
mkdir -p layout/blobs/sha256 layers

# Layer 1: the essential packages of Debian, from where this machine has its own, or else from Debian's mirror.
source_list=/etc/apt/sources.list.d/debian.sources
[ -s "$source_list" ] || source_list=/etc/apt/sources.list
# shellcheck source=/dev/null
. /etc/os-release
if [ "$ID" = debian ] && [ -s "$source_list" ]; then
    sources=("$VERSION_CODENAME" layers/1.tar "$source_list")
else
    sources=(bookworm layers/1.tar)
fi
echo '==> Making a Debian root file system with mmdebstrap (about a minute; kept for the next time)'
mmdebstrap --quiet --variant=essential --format=tar "${sources[@]}" </dev/null

# Layer 2 adds files; layer 3 removes one of them and one of layer 1's, with whiteouts.
mkdir -p layers/2/etc layers/2/usr/local/bin layers/3/etc layers/3/usr/share/common-licenses
echo 'Pulled by dray.' >layers/2/etc/motd
echo 'Removed by the layer above.' >layers/2/etc/removed
printf '#!/bin/sh\ncat /etc/motd /etc/os-release\n' >layers/2/usr/local/bin/hello
chmod 755 layers/2/usr/local/bin/hello
: >layers/3/etc/.wh.removed
: >layers/3/usr/share/common-licenses/.wh.Artistic

blob() { # FILE: moves it among the blobs and prints its digest
    local digest
    digest=$(sha256sum <"$1")
    mv "$1" "layout/blobs/sha256/${digest%% *}"
    echo "sha256:${digest%% *}"
}
descriptor() { # MEDIA-TYPE DIGEST
    local size
    size=$(stat -c %s "layout/blobs/sha256/${2#sha256:}")
    printf '{"mediaType":"application/vnd.oci.image.%s","digest":"%s","size":%s}' "$1" "$2" "$size"
}

diff_ids='' layers=''
for layer in 1 2 3; do
    if [ -d layers/$layer ]; then
        tar --create --file=layers/$layer.tar --directory=layers/$layer --sort=name --mtime=@1700000000 \
            --owner=0 --group=0 --numeric-owner --format=pax --pax-option=delete=atime,delete=ctime \
            etc usr
    fi
    diff_id=$(sha256sum <layers/$layer.tar)
    gzip --no-name layers/$layer.tar
    digest=$(blob layers/$layer.tar.gz)
    diff_ids+=${diff_ids:+,}"\"sha256:${diff_id%% *}\""
    layers+=${layers:+,}$(descriptor layer.v1.tar+gzip "$digest")
done

architecture=$(dpkg --print-architecture)
cat >config.json <<JSON
{"os":"linux","architecture":"$architecture",
 "config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["hello"]},
 "rootfs":{"type":"layers","diff_ids":[$diff_ids]}}
JSON
config=$(descriptor config.v1+json "$(blob config.json)")
cat >manifest.json <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":$config,"layers":[$layers]}
JSON
manifest=$(descriptor manifest.v1+json "$(blob manifest.json)")
cat >index.json <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",
 "manifests":[${manifest%\}},"platform":{"os":"linux","architecture":"$architecture"}}]}
JSON
index=$(descriptor index.v1+json "$(blob index.json)")
cat >layout/index.json <<JSON
{"schemaVersion":2,"manifests":[${index%\}},"annotations":{"org.opencontainers.image.ref.name":"demo"}}]}
JSON
echo '{"imageLayoutVersion":"1.0.0"}' >layout/oci-layout
rm -rf layers
echo "$made_by" >made-by
