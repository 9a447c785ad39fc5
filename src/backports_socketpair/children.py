# SPDX-License-Identifier: MIT-0
# Copyright (c) 2026 The backports_socketpair authors
"""Has the processes that multiprocessing starts call install() too, and those that they start.

By spawn and by forkserver a child gets its parent's sys.path with the preparation data, before it imports
the program's __main__. What goes along here is that list, as something that calls heal() in the child when
it becomes a list again: unpickled there, or, on the command line of the fork server, evaluated. So nothing
is written to a disk or set in the environment.

Python 2.7 has nothing like it but on Windows; where it forks, a child has what its parent had.
"""

import os
import sys

from . import install

# The module of multiprocessing's that gathers the preparation data.
SPAWN = "multiprocessing.spawn" if sys.version_info >= (3, 4) else "multiprocessing.forking"

# The child has not its parent's sys.path yet, and may never be able to import this.
HEAL = """
import sys
path = sys.path[:]
sys.path.append(folder)
try:
    from backports_socketpair import children
    children.heal()
except Exception:
    pass
finally:
    sys.path[:] = path
"""


def heal():
    """What a child does."""
    install()
    reach()


def reach():
    """Have the processes that this one starts heal themselves; multiprocessing's SPAWN has to be imported."""
    spawn = sys.modules.get(SPAWN)
    get_preparation_data = getattr(spawn, "get_preparation_data", None)
    if get_preparation_data is None or hasattr(get_preparation_data, "heals"):
        return

    def get_healing_data(name):
        data = get_preparation_data(name)
        if "sys_path" in data:
            data["sys_path"] = HealingPath(data["sys_path"])
        return data

    get_healing_data.heals = True
    spawn.get_preparation_data = get_healing_data


class HealingPath(list):
    """A sys.path that calls heal() where it is unpickled, or where its representation is evaluated."""

    # In Python 2 exec is no function.
    expression = "eval(compile(%r, '<backports_socketpair>', 'exec'), {'folder': %r}) or " % (
        HEAL,
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )

    def __reduce_ex__(self, protocol):
        return eval, (self.expression + "path", {"path": list(self)})

    def __repr__(self):
        return self.expression + list.__repr__(self)
