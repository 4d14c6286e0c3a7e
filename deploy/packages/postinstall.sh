#!/bin/sh
# Starts nothing: a worker needs its configuration first, and an upgrade's restart is the operator's: `systemctl restart` drains.
set -e
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers bursar.conf
elif ! getent group bursar >/dev/null; then
    groupadd --system bursar
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
