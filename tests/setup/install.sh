#!/bin/sh
# Installs the Debian packages that building, testing and the demo need. Prints nothing when all are there.
#
# usage: install.sh [PROGRAM:PACKAGE...]     more programs than the usual ones
set -eu

# Packages of daemons are needed for their programs only: each test starts its own.
wanted='
    cc:gcc              protoc:protobuf-compiler            pkg-config:pkgconf
    containerd:containerd           ctr:containerd      runc:runc
    docker-registry:docker-registry skopeo:skopeo       mmdebstrap:mmdebstrap
    mount:mount         setpriv:util-linux  setsid:util-linux   flock:util-linux
    unshare:util-linux
'
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=''
for pair in $wanted "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
# A compiler alone has no C library to compile against.
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
# The daemons of lazy snapshotters link with these.
[ -e /usr/include/zlib.h ] || missing="$missing zlib1g-dev"
[ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
[ -e /usr/include/google/protobuf/empty.proto ] || missing="$missing libprotobuf-dev"
# shellcheck disable=SC2086 # a list of package names
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -n "${missing% }" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This machine has no apt. Install what these Debian packages hold: $missing" >&2
    exit 1
fi
sudo=''
if [ "$(id -u)" != 0 ]; then
    sudo='sudo'
    command -v sudo >/dev/null || { echo "Run as root, or install sudo, or install: $missing" >&2; exit 1; }
fi

echo "Installing with apt: $missing"
# Debian starts a daemon when its package is installed. Nobody asked for a registry on port 5000.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$sudo rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
fi
install() {
    # shellcheck disable=SC2086 # a list of package names
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing </dev/null >/dev/null
}
# Package lists are fetched only if those at hand do not do.
install 2>/dev/null || { $sudo apt-get update -qq </dev/null; install; }
