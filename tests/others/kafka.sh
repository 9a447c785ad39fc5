#!/bin/bash
# Runs with_kafka.py over releases of kafka-python, with our file put into each as kafka/vendor/socketpair.py, and
# with_older_backport.py over the file that 2.0.2 has there by itself:
#
#     tests/others/kafka.sh PYTHON...    such as python2.7, or tests/pythons/run.sh win27
#
# PYTHON is the command that takes "-m pytest"; needs python3 with pip.
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
    # With what Python 2.7 compiled of it, which it takes for ours if both are of the same second.
    rm -f "$work/$version"/kafka/vendor/socketpair.py*
    cp src/backports_socketpair/socketpair.py "$work/$version/kafka/vendor/socketpair.py"
    "$@" -m pytest -p no:cacheprovider --capture=sys tests/others/with_kafka.py
done
