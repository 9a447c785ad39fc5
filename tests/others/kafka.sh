#!/bin/bash
# Runs with_kafka.py on three releases of kafka-python, with our file copied over kafka/vendor/socketpair.py. On 2.0.2
# it first runs with_older_backport.py, with the release's own file:
#
#     tests/others/kafka.sh PYTHON...    such as python2.7, or tests/pythons/run.sh win27
#
# PYTHON is a command that accepts "-m pytest". This script needs python3 with pip.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 1.4.7 2.0.2 2.3.1; do
    python3 -m pip install -q --disable-pip-version-check --no-deps --target "$work/$version" "kafka-python==$version"
    export MORE_PATH=$work/$version PYTHONPATH=$work/$version
    echo "== kafka-python $version"
    if [ $version = 2.0.2 ]; then
        "$@" -m pytest -p no:cacheprovider --capture=sys tests/others/with_older_backport.py
    fi
    # Remove the .pyc, too: Python 2.7 would use it for our file if both sources are from the same second.
    rm -f "$work/$version"/kafka/vendor/socketpair.py*
    cp src/backports_socketpair/socketpair.py "$work/$version/kafka/vendor/socketpair.py"
    "$@" -m pytest -p no:cacheprovider --capture=sys tests/others/with_kafka.py
done
