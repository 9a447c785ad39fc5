"""Runs the CPython for WASI that build.sh has put into a folder: wasi_host.py FOLDER PATH ARGUMENTS...

PATH is the search path for modules. The program sees all folders of this machine under their own paths.
"wasi_host.py FOLDER --compile" only compiles CPython to this machine's code.
"""

import os
import sys

FOLDER = sys.argv[1]
sys.path.insert(0, FOLDER)

import wasmtime
from wasmtime import _ffi, component

engine = wasmtime.Engine()
compiled = os.path.join(FOLDER, "python.cwasm")
if sys.argv[2:] == ["--compile"]:
    with open(compiled, "wb") as file:
        file.write(component.Component.from_file(engine, os.path.join(FOLDER, "python.wasm")).serialize())
    sys.exit()

config = wasmtime.WasiConfig()
config.inherit_stdout()
config.inherit_stderr()
config.inherit_env()
config.preopen_dir("/", "/")
_ffi.wasi_config_inherit_network(config.ptr())
store = wasmtime.Store(engine)
store.set_wasi(config)
linker = component.Linker(engine)
linker.add_wasip2()
python = linker.instantiate(store, component.Component.deserialize_file(engine, compiled))
path = os.path.join(FOLDER, "site-packages") + ":" + sys.argv[2]
sys.exit(python.get_func(store, "run")(store, [os.getcwd(), path, *sys.argv[3:]]))
