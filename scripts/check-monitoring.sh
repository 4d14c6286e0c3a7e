#!/bin/sh
# Checks what Prometheus and Grafana are given: the alert rules and their unit tests, and every expression of the dashboard.
# Exit 3 when promtool cannot be had: then nothing was checked.
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
promtool=$("$project/scripts/ensure-promtool.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$promtool" check rules "$project/deploy/alerts.yml"
"$promtool" test rules "$project/deploy/alerts.test.yml"

# A dashboard's expressions become recording rules, which promtool can read. A JSON text is a YAML text as well.
for dashboard in "$project"/deploy/grafana/*.json; do
    rules=$work/$(basename "$dashboard" .json).yml
    {
        echo "groups: [{ name: dashboard, rules: ["
        sed -n 's/^ *"expr": \(".*"\),\{0,1\}$/\1/p' "$dashboard" | sed 's/\$__rate_interval/5m/g' |
            awk '{ printf "  { record: \"dashboard:%d\", expr: %s },\n", NR, $0 }'
        echo "]}]"
    } >"$rules"
    expressions=$(grep -c record "$rules" || true)
    [ "$expressions" -gt 0 ] && [ "$expressions" -eq "$(grep -c '"expr"' "$dashboard")" ] ||
        { echo "$dashboard: its expressions are not on separate lines" >&2; exit 1; }
    "$promtool" check rules "$rules"
done
