#!/bin/bash
# Runs mypy --strict and pyright, for Linux and for Windows, on a program that imports the package, and on a library
# that vendors socketpair.py and its stub.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/library/vendor"
touch "$work"/library/{__init__,vendor/__init__}.py
cp src/backports_socketpair/socketpair.py{,i} "$work/library/vendor"
cp tests/others/typed_program.py "$work"
# Only the package has install() and __version__, so the library's program does not use them.
sed '/__version__/d; s/^def version.*/def version() -> None: .../; /^install()/d; s/, install,/,/
     s/^import backports_socketpair.*/import library.vendor.socketpair/; s/from backports_socketpair/from library.vendor.socketpair/' \
    tests/others/typed_program.py >"$work/library/program.py"
cd "$work"
for platform in linux:Linux win32:Windows; do
    echo "== ${platform%:*}"
    mypy --strict --platform "${platform%:*}" typed_program.py
    mypy --strict --platform "${platform%:*}" library
    pyright --pythonplatform "${platform#*:}" --pythonpath "$(command -v python)" typed_program.py library
done
