#!/bin/sh
# A removal drains and stops the services; an upgrade leaves them running. dpkg says "remove", rpm gives the number of versions left.
set -e
case ${1:-} in
    remove | 0) ;;
    *) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
    systemctl disable --now bursar-worker.service bursar-serve.service bursar-reconcile.timer
fi
