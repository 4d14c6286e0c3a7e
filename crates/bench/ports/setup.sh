#!/usr/bin/env bash
# Builds the ports and installs BullMQ's Python package, from the package registries only, into BENCH_BUILD (default: build
# next to this file). Needs cargo, and python3 with venv.
set -euo pipefail
cd "$(dirname "$0")"
build=${BENCH_BUILD:-$PWD/build}
mkdir -p "$build"

# The package whose scripts are measured. Its moveToFinished runs the 23 commands a job that Node's BullMQ 6.7 was seen to run.
BULLMQ=3.4.4

CARGO_TARGET_DIR="$build/target" cargo build --release --locked

python3 -m venv "$build/bullmq"
"$build/bullmq/bin/pip" install --quiet --only-binary :all: "bullmq==$BULLMQ"
scripts=$("$build/bullmq/bin/python" -c 'import bullmq, os; print(os.path.join(os.path.dirname(bullmq.__file__), "commands"))')
ln -sfn "$scripts" "$build/bullmq-scripts"
echo "ready: $build"
