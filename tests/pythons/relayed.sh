#!/bin/bash
# Runs a command on a machine that relays its own loopback, as some proxies, VPNs and antiviruses do on Windows:
#
#     tests/pythons/relayed.sh [--lazy] COMMAND...
#
# Needs Linux, root, iptables, and python3 for the relay. In its own network namespace, the kernel redirects each TCP
# connection over loopback to the relay. The relay connects to the original target from a port of its own, with --lazy
# only after the client has sent something. Wine's server makes Wine's sockets, and runs for seconds after a command. So
# each kind of relay has its own $WINEPREFIX: otherwise a command might use a server that is in another namespace.
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

# The relay runs as user 65534. Its own connections are not redirected.
for table in iptables ip6tables; do
    $table -w -t nat -A OUTPUT -o lo -p tcp --syn -m owner ! --uid-owner 65534 -j REDIRECT --to-ports 9999
done
exec 3< <(exec python3 "$here/../standins/kernel_relay.py" $how 9999)
relay=$!
trap 'kill "$relay" || true' EXIT
read -r -t 20 line <&3 && [ "$line" = relaying ] || { echo "the relay did not start" >&2; exit 1; }
export RELAYED=$how WINEPREFIX=${PYTHONS:-$HOME/.cache/backports_socketpair}/wine-$how
"$@"
