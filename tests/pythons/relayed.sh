#!/bin/bash
# Runs a command on a machine that relays its own loopback, as some proxies, VPNs and antiviruses make of Windows:
#
#     tests/pythons/relayed.sh [--lazy] COMMAND...
#
# On Linux, as root, with iptables, and python3 for the relay: in a network of its own the kernel redirects each TCP
# connection over loopback to the relay, which connects on to where it was meant to go, from a port of its own; with
# --lazy only once the client has sent something. Wine makes its sockets in its server, which outlives a command by
# seconds: $WINEPREFIX is another for either kind of relay, so that none of its servers is in another network.
set -euo pipefail

here=$(dirname "$0")
[ -n "${OWN_NETWORK:-}" ] || exec "$here/namespace.sh" "$0" "$@"

how=eager
if [ "${1:-}" = --lazy ]; then
    how=lazy
    shift
fi
if ! command -v iptables >/dev/null; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends iptables >/dev/null
fi

# Whoever is 65534, as the relay is, is not relayed.
for table in iptables ip6tables; do
    $table -w -t nat -A OUTPUT -o lo -p tcp --syn -m owner ! --uid-owner 65534 -j REDIRECT --to-ports 9999
done
exec 3< <(exec python3 "$here/../standins/kernel_relay.py" $how 9999)
relay=$!
trap 'kill "$relay" || true' EXIT
read -r -t 20 line <&3 && [ "$line" = relaying ] || { echo "the relay did not start" >&2; exit 1; }
export RELAYED=$how WINEPREFIX=${PYTHONS:-$HOME/.cache/backports_socketpair}/wine-$how
"$@"
