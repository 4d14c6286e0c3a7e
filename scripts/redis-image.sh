#!/bin/sh
# Makes a small Redis image for the tests out of this machine's own server, without any registry or base image:
# the server and the libraries it loads, nothing else. Usage: redis-image.sh [TAG]
set -eu

tag=${1:-bursar-test/redis:local}
server=$("$(dirname "$0")/ensure-redis.sh")

say() { echo "redis-image: $*" >&2; }
[ -d /proc/self ] || { say "only a Linux machine has a server that runs in a container"; exit 1; }

work=$(mktemp -d)
pid=
trap 'if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The path may be a script around the server, so the running process tells which file and which libraries it is.
"$server" --port 0 --unixsocket "$work/socket" --save '' --dir "$work" >"$work/log" 2>&1 &
pid=$!
tries=0
until [ -S "$work/socket" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
        say "$server did not start:"
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done
binary=$(readlink "/proc/$pid/exe")
library_path=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^LD_LIBRARY_PATH=//p')

image=$work/image
mkdir -p "$image/bin" "$image/lib/redis" "$image/data" "$image/tmp"
chmod 0777 "$image/data" "$image/tmp"
cp "$binary" "$image/bin/redis-server"
# A static binary has no libraries, and ldd says so by failing.
LD_LIBRARY_PATH=$library_path ldd "$binary" >"$work/libraries" 2>/dev/null || : >"$work/libraries"
awk '$2 == "=>" && $3 ~ /^\// { print $3 }' "$work/libraries" | while read -r library; do
    cp -L "$library" "$image/lib/redis/"
done
# The loader must stand where the binary names it.
awk '$1 ~ /^\// { print $1 }' "$work/libraries" | while read -r loader; do
    mkdir -p "$image$(dirname "$loader")"
    cp -L "$loader" "$image$loader"
done

# Imported, not built: needs no builder, and works with every engine.
tar -C "$image" --owner=0 --group=0 --numeric-owner -c . | docker import \
    --change 'ENV LD_LIBRARY_PATH=/lib/redis' \
    --change 'WORKDIR /data' \
    --change 'USER 999:999' \
    --change 'EXPOSE 6379' \
    --change 'ENTRYPOINT ["/bin/redis-server"]' \
    --change 'CMD ["--bind", "0.0.0.0", "--protected-mode", "no", "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]' \
    - "$tag" >/dev/null
say "$tag is ready"
