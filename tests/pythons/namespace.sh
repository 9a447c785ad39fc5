#!/bin/bash
# Runs a command in a network of its own, which has a loopback interface and nothing else:
#
#     tests/pythons/namespace.sh COMMAND...
#
# On Linux, as root, with ip. What a program sets under /proc/sys/net holds for this network alone.
set -euo pipefail

if ! command -v ip >/dev/null; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends iproute2 >/dev/null
fi
exec unshare --net bash -ec 'ip link set lo up; export OWN_NETWORK=1; exec "$@"' namespace "$@"
