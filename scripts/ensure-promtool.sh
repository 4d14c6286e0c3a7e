#!/bin/sh
# Prints the path of promtool, which checks alerts and dashboards, fetching it only when there is none. It comes from the
# archive's package `prometheus`, which is unpacked and not installed: no root, no service. Messages go to stderr.
# Exit 3 when it cannot be had: then nothing was checked.
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
folder=$project/target/tools/promtool

say() { echo "ensure-promtool: $*" >&2; }

runs() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -q '^promtool'; }

for found in "$(command -v promtool || true)" "$folder/promtool"; do
    if runs "$found"; then
        say "using $("$found" --version 2>/dev/null | head -1 | cut -d' ' -f1-3) at $found"
        echo "$found"
        exit 0
    fi
done
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    say "there is no promtool in PATH, and no apt to fetch it with"
    exit 3
fi

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"

# apt runs on private folders, so it needs neither root nor the system's lock, and still checks every signature.
private_apt() {
    apt-get -qq \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >>"$work/log" 2>&1
}

say "fetching prometheus from this system's apt archive into $folder"
if private_apt update && (cd "$work" && private_apt download prometheus) && dpkg-deb -x "$work"/prometheus_*.deb "$work/root" &&
    runs "$work/root/usr/bin/promtool"; then
    mv -f "$work/root/usr/bin/promtool" "$folder/promtool"
    echo "$folder/promtool"
else
    cat "$work/log" >&2
    say "promtool could not be fetched"
    exit 3
fi
