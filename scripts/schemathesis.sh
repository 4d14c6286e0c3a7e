#!/bin/sh
# Checks the running server against its own description: schemathesis sends what /openapi.json allows and what it forbids,
# and compares the answers. `install` only fetches schemathesis (exit 1 where PyPI is out of reach).
#
#   scripts/schemathesis.sh [install]
#
# BURSAR is the program to run (default target/debug/bursar), BURSAR_REDIS_BIN the Redis for it.
set -eu

# Its findings depend on its version, so the version is ours to raise.
VERSION=4.32.5
# Cases for each operation, and the seed that makes a finding come back.
EXAMPLES=40
SEED=20260314
# Seconds until the server must listen.
TIMEOUT=30

project=$(cd "$(dirname "$0")/.." && pwd)
folder=$project/target/schemathesis
venv=$folder/venv
bursar=${BURSAR:-$project/target/debug/bursar}

install() {
    mkdir -p "$folder"
    if "$venv/bin/pip" show schemathesis 2>/dev/null | grep -qx "Version: $VERSION"; then return 0; fi
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION"
}

install || exit 1
if [ "${1:-}" = install ]; then exit 0; fi

work=$(mktemp -d "$folder/run-XXXXXX")
pids=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The line of a file that matches, once it is there.
await() {
    waited=0
    until grep -m 1 "$1" "$2"; do
        waited=$((waited + 1))
        if [ "$waited" -gt $((TIMEOUT * 10)) ]; then
            echo "no '$1' within $TIMEOUT s:" >&2
            cat "$2" >&2
            return 1
        fi
        sleep 0.1
    done
}

# The caller's environment must not steer the server.
for name in $(env | sed -n 's/^\(BURSAR_[A-Z_]*\)=.*/\1/p'); do
    case $name in BURSAR_REDIS_BIN | BURSAR_REDIS_DIR) ;; *) unset "$name" ;; esac
done
unset REDIS_URL || true

"$bursar" simulate --keys "$folder/keys" >"$work/simulator" 2>&1 &
pids=$!
gateway=$(await '"listen"' "$work/simulator" | sed 's/.*"listen":"\([^"]*\)".*/\1/')
app_id=$(sed -n 's/.*"app_id":"\([^"]*\)".*/\1/p' "$work/simulator")
private_key=$(sed -n 's/.*"app_private_key_file":"\([^"]*\)".*/\1/p' "$work/simulator")
platform_key=$(sed -n 's/.*"platform_public_key_file":"\([^"]*\)".*/\1/p' "$work/simulator")

cat >"$work/bursar.toml" <<TOML
[redis]
preflight = "warn"
[server]
listen = "127.0.0.1:0"
rate_per_second = 0
[webhooks]
allow_unsigned = true
[accounts.main]
gateway = "yzt"
base_url = "http://$gateway"
app_id = "$app_id"
private_key_file = "$private_key"
platform_public_key_file = "$platform_key"
TOML
producer=$("$bursar" token shop --role producer 2>&1 >>"$work/tokens.toml" | sed 's/.* //')
operator=$("$bursar" token li --role operator 2>&1 >>"$work/tokens.toml" | sed 's/.* //')

"$bursar" up --embedded --data "$work/data" --config "$work/bursar.toml" >"$work/server" 2>&1 &
pids="$! $pids"
address=$(await 'listening on http://' "$work/server" | sed 's/.*listening on \(http:[^ ]*\).*/\1/')

# A batch that is too long is refused by 413.
cat >"$work/any.toml" <<TOML
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429", "5xx"]
TOML
# The job of the description's example, which is there once the submissions are through.
cat >"$work/known.toml" <<TOML
[parameters]
"path.account" = "main"
"path.kind" = "transfer"
"path.platform_no" = "1001XP2025010110000001"
TOML

run() {
    config=$work/$1.toml
    token=$2
    shift 2
    (cd "$work" && "$venv/bin/st" --config-file "$config" run "$address/openapi.json" --url "$address" --header "Authorization: Bearer $token" \
        --seed "$SEED" --max-examples "$EXAMPLES" --no-color --request-timeout 20 \
        --suppress-health-check all --phases examples,coverage,fuzzing "$@")
}

# /v1/events does not end, so it is for the tests from outside. What a valid body, place in a list or signature is, no schema tells: what
# is valid by the description may still be refused.
failed=0
run any "$producer" --include-operation-id submit --exclude-checks positive_data_acceptance || failed=1
run any "$producer" --include-operation-id list --exclude-checks positive_data_acceptance || failed=1
run any "$operator" --include-operation-id notify --exclude-checks positive_data_acceptance || failed=1
# Names of jobs that differ in their version, `as` for `resolve` alone, a job or a receiver.
run any "$operator" --include-operation-id act_on_many --include-operation-id preview_actions --include-operation-id resend_webhooks \
    --exclude-checks positive_data_acceptance || failed=1
run any "$operator" --exclude-path-regex '^/v1/(actions|webhooks/resend)' --exclude-path /v1/events --exclude-path /v1/jobs --exclude-operation-id notify || failed=1
run known "$operator" --include-path-regex '^/v1/jobs/' || failed=1
exit "$failed"
