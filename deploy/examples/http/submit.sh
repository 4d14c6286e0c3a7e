#!/bin/sh
# Submits one transfer with curl, repeats safely, and follows it to its end.
#
#   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… ./submit.sh ORDER-1
#
# Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.
set -eu

[ $# -eq 1 ] && [ -n "${BURSAR_TOKEN:-}" ] || {
    echo "usage: BURSAR_URL=… BURSAR_TOKEN=… $0 PLATFORM_NO" >&2
    exit 2
}
url=${BURSAR_URL:-http://127.0.0.1:8080}

# Choose the key once and keep it: it identifies this payment in every repetition.
platform_no=$1
job='{"account": "main", "kind": "transfer", "platform_no": "'$platform_no'", "body": {"node_id": "00061967",
      "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1", "payee_store_no": "amy99b", "payee_type": "2",
      "arrive_time": "T0"}}'

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Prints the status. Repeats the identical request after a lost connection, a lost response, 429 and 5xx. The token goes through
# standard input, because every user of the machine can read arguments.
call() {
    printf 'header = "Authorization: Bearer %s"\n' "$BURSAR_TOKEN" |
        curl --config - --silent --show-error --connect-timeout 5 --max-time "${BURSAR_TIMEOUT:-45}" \
            --retry 30 --retry-all-errors --retry-delay 1 --retry-max-time "${BURSAR_REPEAT_FOR:-120}" \
            --output "$answer" --write-out '%{http_code}' "$@" || {
        echo "$url is out of reach, and whether it has the job is unknown: run this again" >&2
        exit 3
    }
}

member() {
    sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' "$answer"
}

status=$(call --header 'Content-Type: application/json' --data-binary "$job" "$url/v1/jobs") || exit
case $status in
    200 | 201) echo "$platform_no is $(member state)" ;;
    5?? | 429)
        echo "Bursar cannot take it now ($status): run this again" >&2
        exit 3
        ;;
    *)
        echo "refused ($status): $(member detail)" >&2
        exit 1
        ;;
esac

while :; do
    status=$(call "$url/v1/jobs/main/transfer/$platform_no?wait=30s") || exit
    [ "$status" = 200 ] || {
        echo "$platform_no cannot be read ($status): $(member detail)" >&2
        exit 3
    }
    state=$(member state)
    case $state in
        queued | in_doubt | pending) continue ;; # not ended yet: what is in doubt is never "not paid"
    esac
    echo "$platform_no $state"
    [ "$state" = succeeded ]
    exit
done
