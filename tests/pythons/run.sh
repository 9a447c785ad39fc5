#!/bin/bash
# Runs a Python that does not come from pyenv, on Debian Linux (x86-64), as root:
#
#     tests/pythons/run.sh win27 -m pytest       official Windows CPython 2.7.18 under Wine 10; also win34, win36 to
#                                                win39, and win310 to win313
#     tests/pythons/run.sh jython27 -m pytest    Debian's Jython
#     tests/pythons/run.sh wasi -m pytest        CPython 3.14 on WASI, with neither threads nor processes
#     tests/pythons/run.sh py314 -m venv FOLDER  Debian unstable's CPython 3.14; also py315, and pypy311 (PyPy 8)
#     tests/pythons/run.sh pypy27 -m pytest      Debian bullseye's PyPy for Python 2.7
#     tests/pythons/run.sh unstable COMMAND...   any command in Debian unstable, which has these Pythons and Wine
#
# At the first call, build.sh builds all of them in ~/.cache/backports_socketpair (or $PYTHONS). Commands in
# Debian unstable or bullseye see this machine's folders at the same paths. All Pythons but Debian unstable's have
# pytest, and on the module path src and the folders in $MORE_PATH (separated by ":"). $PYTEST_ADDOPTS turns off the
# features of pytest that do not work there. The Pythons for Windows from 3.8 on also have uvicorn.
set -euo pipefail

PYTHONS=${PYTHONS:-$HOME/.cache/backports_socketpair}
# Without these settings Wine prints many messages, and offers to download components that nothing here needs.
export WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= WINEPREFIX=${WINEPREFIX:-$PYTHONS/wine} XDG_RUNTIME_DIR=/tmp

in_unstable() { in_root unstable "$@"; }
in_root() { # root directory, command...; replaces this shell
    local root=$1
    shift
    exec unshare --mount bash -c '
        root=$1
        checkout=$2
        shift 2
        for folder in /* /etc/ssl /etc/resolv.conf "$checkout" "$PWD"; do
            case $folder in
            / | /bin | /boot | /etc | /lib* | /media | /mnt | /run | /sbin | /srv | /sys | /usr | /var) continue ;;
            esac
            if [ -d "$folder" ]; then mkdir -p "$root$folder"
            elif [ -e "$folder" ]; then touch "$root$folder"
            else continue
            fi
            mount --rbind "$folder" "$root$folder"
        done
        exec chroot "$root" env -C "$PWD" LANG=C.UTF-8 "$@"' in_root "$PYTHONS/$root" "$checkout" "$@"
}

name=${1:?name an interpreter, such as win27, jython27, wasi or py314}
shift
here=$(cd "$(dirname "$0")" && pwd)
checkout=${here%/*/*}
mkdir -p "$PYTHONS"
# If the recipe has changed, build again.
built=built-$(cat "$here/build.sh" "$here/wasi_guest.py" | cksum | cut -d " " -f 1)
(
    flock 9
    if ! [ -e "$PYTHONS/$built" ]; then
        echo "building Pythons in $PYTHONS" >&2
        cd "$PYTHONS"
        # A killed build of an older version left its mounts here, and a mount cannot be deleted.
        sed -n "s|^[^ ]* \($PYTHONS/[^ ]*\) .*|\1|p" /proc/self/mounts | tac | xargs -r umount
        find . -mindepth 1 -xdev ! -path ./lock -delete
        trap '[ -e "$built" ] || tail -n 40 build.log >&2' EXIT
        . "$here/build.sh"
        build >build.log 2>&1
    fi
) 9>"$PYTHONS/lock"

path=$checkout/src${MORE_PATH:+:$MORE_PATH}
# A .pyc that python2.7 left in the checkout contains the file's path on Linux, and pytest would stop at this mismatch.
export PYTHONDONTWRITEBYTECODE=1 PY_IGNORE_IMPORTMISMATCH=1
# By default pytest duplicates descriptors, which fails under Wine.
export PYTEST_ADDOPTS="-p no:cacheprovider --capture=sys ${PYTEST_ADDOPTS:-}"
case $name in
win27 | win34 | win3[6-9] | win31[0-3])
    # Under Wine the root directory is drive Z.
    path=Z:${path//:/;Z:}
    export PYTHONPATH=${path//\//\\}
    # Each socket call asks Wine's server, and waking another processor may take milliseconds. With all processes on one
    # processor, the tests take half the time.
    taskset -cp "$(taskset -cp $$ | grep -oP ': \K\d+')" $$ >/dev/null
    in_unstable wine "$PYTHONS/$name/python.exe" "$@"
    ;;
jython27)
    PATH=$PYTHONS/jython:$PATH JYTHONPATH=$PYTHONS/site27:$path exec jython "$@"
    ;;
wasi)
    # This plugin duplicates a descriptor, too.
    PYTEST_ADDOPTS+=" -p no:faulthandler"
    exec python3 "$here/wasi_host.py" "$PYTHONS/wasi" "$path" "$@"
    ;;
py314 | py315) in_unstable "python3.${name#py3}" "$@" ;;
pypy27)
    export PYTHONPATH=$PYTHONS/site27:$path
    in_root bullseye pypy "$@"
    ;;
pypy311) in_unstable pypy3 "$@" ;;
unstable) in_unstable "$@" ;;
*)
    echo "no such interpreter: $name" >&2
    exit 2
    ;;
esac
