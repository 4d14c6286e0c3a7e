#!/bin/sh
# Prints the path of an archive with a small Debian system (glibc, a shell, dpkg, certificates), for the checks of packages and images. It
# is made once, of the archive's packages by mmdebstrap. Exit 3 when it cannot be had: then nothing was checked.
set -eu

RELEASE=bookworm

archive=$(cd "$(dirname "$0")/.." && pwd)/target/tools/debian-$RELEASE.tar
if [ ! -f "$archive" ]; then
    command -v mmdebstrap >/dev/null || { echo "debian-base: there is no mmdebstrap" >&2; exit 3; }
    mkdir -p "${archive%/*}"
    mine=${archive%.tar}.$$.tar # its end says that it is to be an archive
    mmdebstrap --quiet --variant=essential --include=ca-certificates,passwd "$RELEASE" "$mine" >&2 || { rm -f "$mine"; exit 3; }
    mv "$mine" "$archive"
fi
echo "$archive"
