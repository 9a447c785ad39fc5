#!/bin/bash
# Runs a command in its own network namespace, which has only a loopback interface:
#
#     tests/pythons/namespace.sh COMMAND...
#
# Needs Linux, root and ip. What a program sets under /proc/sys/net applies to this namespace only.
set -euo pipefail

if ! command -v ip >/dev/null; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends iproute2 >/dev/null
fi
exec unshare --net bash -ec 'ip link set lo up; export OWN_NETWORK=1; exec "$@"' namespace "$@"
