#!/bin/bash
# Runs a Python that pyenv has not, on Debian Linux (x86-64), as root:
#
#     tests/pythons/run.sh win27 -m pytest       official Windows CPython 2.7.18, run by Wine 10; and so win34, win36
#                                                to win39, and win310 to win313
#     tests/pythons/run.sh jython27 -m pytest    Debian's Jython
#     tests/pythons/run.sh wasi -m pytest        CPython 3.14 on WASI, with neither threads nor processes
#     tests/pythons/run.sh py314 -m venv FOLDER  Debian unstable's CPython 3.14; and so py315, and pypy311 (PyPy 8)
#     tests/pythons/run.sh pypy27 -m pytest      Debian bullseye's PyPy, of Python 2.7
#     tests/pythons/run.sh unstable COMMAND...   any command where Debian unstable's Pythons are, and Wine
#
# What it takes is built at the first call, by build.sh, under ~/.cache/backports_socketpair (or $PYTHONS). The root
# directories show this machine's folders under their own paths. For all but Debian unstable's this checkout's src is on
# the path, and so are the folders in $MORE_PATH (separated by ":"). They have a pytest, which is told by
# $PYTEST_ADDOPTS what they cannot do; the Windows ones from 3.8 on have uvicorn, too.
set -euo pipefail

PYTHONS=${PYTHONS:-$HOME/.cache/backports_socketpair}
# Wine says more than the interpreters do, and would otherwise offer to download what it does not need.
export WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= WINEPREFIX=${WINEPREFIX:-$PYTHONS/wine} XDG_RUNTIME_DIR=/tmp

in_unstable() { in_root unstable "$@"; }
in_root() { # root directory, command... in place of this shell
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
# What another recipe built is built anew.
built=built-$(cat "$here/build.sh" "$here/wasi_guest.py" | cksum | cut -d " " -f 1)
(
    flock 9
    if ! [ -e "$PYTHONS/$built" ]; then
        echo "building Pythons in $PYTHONS" >&2
        cd "$PYTHONS"
        # Before its mounts had a namespace of their own, a build that was killed left them, and they cannot be deleted.
        sed -n "s|^[^ ]* \($PYTHONS/[^ ]*\) .*|\1|p" /proc/self/mounts | tac | xargs -r umount
        find . -mindepth 1 -xdev ! -path ./lock -delete
        trap '[ -e "$built" ] || tail -n 40 build.log >&2' EXIT
        . "$here/build.sh"
        build >build.log 2>&1
    fi
) 9>"$PYTHONS/lock"

path=$checkout/src${MORE_PATH:+:$MORE_PATH}
# A .pyc that python2.7 left in the checkout has its name by Linux's path, at which pytest would stop.
export PYTHONDONTWRITEBYTECODE=1 PY_IGNORE_IMPORTMISMATCH=1
# Wine's descriptors cannot be duplicated as pytest would.
export PYTEST_ADDOPTS="-p no:cacheprovider --capture=sys ${PYTEST_ADDOPTS:-}"
case $name in
win27 | win34 | win3[6-9] | win31[0-3])
    # Wine has the root directory as drive Z.
    path=Z:${path//:/;Z:}
    export PYTHONPATH=${path//\//\\}
    # Each call on a socket asks Wine's server, and waking up another processor takes up to milliseconds: with all on
    # one, the tests take half the time.
    taskset -cp "$(taskset -cp $$ | grep -oP ': \K\d+')" $$ >/dev/null
    in_unstable wine "$PYTHONS/$name/python.exe" "$@"
    ;;
jython27)
    PATH=$PYTHONS/jython:$PATH JYTHONPATH=$PYTHONS/site27:$path exec jython "$@"
    ;;
wasi)
    # It would duplicate one, too.
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
