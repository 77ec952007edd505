#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lets an update be installed at night only: run it from a timer, every ten minutes. Root, or the group patchbay.
set -eu

# Further options of busctl, such as --address=…
client() {
    # shellcheck disable=SC2086
    busctl ${BUSCTL_OPTIONS:---system} "$@"
}
property() {
    client get-property io.patchbay.Client /io/patchbay/Client io.patchbay.Update1 "$1" | cut -d ' ' -f 2- | tr -d '"'
}
call() {
    client call io.patchbay.Client /io/patchbay/Client io.patchbay.Update1 "$@"
}

hour=${1:-$(date +%H)}
echo "state $(property State), progress $(property Progress) %"
case $hour in
    22 | 23 | 0[0-5]) call Proceed ;;
    *) call Defer u 1200 >/dev/null && echo "deferred until $(date -d "@$(property DeferredUntil)" +%H:%M)" ;;
esac
