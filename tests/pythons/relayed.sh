#!/bin/bash
# Runs a command on a machine that relays its own loopback, as some proxies, VPNs and antiviruses make of Windows:
#
#     tests/pythons/relayed.sh [--lazy] COMMAND...
#
# On Linux, as root, with iptables, and python3 for the relay: in a network namespace of its own the kernel redirects
# each TCP connection over loopback to the relay, which connects on to where it was meant to go, from a port of its own;
# with --lazy only once the client has sent something. Wine makes its sockets in its server, which outlives a command by
# seconds: $WINEPREFIX is another for either kind of relay, so that none of its servers is in another namespace.
set -euo pipefail

how=eager
if [ "${1:-}" = --lazy ]; then
    how=lazy
    shift
fi
if ! command -v iptables >/dev/null || ! command -v ip >/dev/null; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends iptables iproute2 >/dev/null
fi

namespace=relayed-$$
relay=
end() {
    [ -z "$relay" ] || kill "$relay" || true
    ip netns del "$namespace"
}
ip netns add "$namespace"
trap end EXIT
inside() { ip netns exec "$namespace" "$@"; }

inside ip link set lo up
# Whoever is 65534, as the relay is, is not relayed.
for table in iptables ip6tables; do
    inside $table -w -t nat -A OUTPUT -o lo -p tcp --syn -m owner ! --uid-owner 65534 -j REDIRECT --to-ports 9999
done
exec 3< <(exec ip netns exec "$namespace" python3 "$(dirname "$0")/../standins/kernel_relay.py" $how 9999)
relay=$!
read -r -t 20 line <&3 && [ "$line" = relaying ] || { echo "the relay did not start" >&2; exit 1; }
export RELAYED=$how WINEPREFIX=${PYTHONS:-$HOME/.cache/backports_socketpair}/wine-$how
inside "$@"
