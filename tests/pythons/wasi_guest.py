"""CPython for WASI, as a component that runs programs as "python" does. build.sh makes it, and wasi_host.py runs it.

The standard library exists only while the component is made. So this file imports every module of it that it can.
"""

import importlib
import os
import pkgutil
import runpy
import sys
import traceback

import wit_world

# Importing two of these has visible effects. The others are tests or programs.
LEFT_OUT = {"antigravity", "test", "this", "idlelib", "turtledemo"}


def import_all(names):
    for name in names:
        try:
            module = importlib.import_module(name)
        except (AttributeError, ImportError, OSError):  # the module is for another system
            continue
        found = pkgutil.iter_modules(getattr(module, "__path__", []), name + ".")
        import_all(each.name for each in found if not each.name.endswith(".__main__"))


class WitWorld(wit_world.WitWorld):
    def run(self, arguments):
        folder, path, first, *sys.argv[:] = arguments
        os.chdir(folder)
        sys.path[:] = path.split(":")
        status = 0
        try:
            if first == "-m":
                runpy._run_module_as_main(sys.argv[0])
            elif first == "-c":
                exec(sys.argv[0], {"__name__": "__main__"})
            else:
                sys.argv.insert(0, first)
                runpy.run_path(first, run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else bool(end.code)
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        return status


import_all(sorted(sys.stdlib_module_names - LEFT_OUT))
