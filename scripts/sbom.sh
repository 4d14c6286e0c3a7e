#!/bin/sh
# Writes the bill of materials of the executable (CycloneDX 1.6, JSON). `install` only fetches its library (exit 1 where PyPI is out of reach).
#
#   scripts/sbom.sh [install | FILE]      (default target/bursar.cdx.json)
set -eu

# The form of the list depends on its version, so the version is ours to raise.
VERSION=11.12.0

project=$(cd "$(dirname "$0")/.." && pwd)
venv=$project/target/sbom/venv

if ! "$venv/bin/pip" show cyclonedx-python-lib 2>/dev/null | grep -qx "Version: $VERSION"; then
    mkdir -p "$project/target/sbom"
    python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check "cyclonedx-python-lib[json-validation]==$VERSION" || exit 1
fi
[ "${1:-}" != install ] || exit 0
file=${1:-$project/target/bursar.cdx.json}
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$project"
exec "$venv/bin/python" scripts/sbom.py "$file"
