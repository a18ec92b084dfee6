"""Ophyd without its detectors, which take longer to import than all the rest of a controller.

`import ophyd` imports the classes of some hundred cameras and their plug-ins, networkx and numpy, whether a lab has one
or not. With this module imported first they wait until a program asks for one, in any of the usual ways.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

LATER: dict[str, tuple[str, ...]] = {
    "ophyd.areadetector": (),
    "ophyd.mca": ("EpicsDXP", "EpicsMCA"),
    "ophyd.quadem": ("APS_EM", "NSLS_EM", "QuadEM", "TetrAMM"),
}
"""Modules that wait, with the names that `ophyd` takes of them; of the first it takes all that are public."""


def import_ophyd() -> None:
    """Import ophyd; nothing if it is imported already."""
    if "ophyd" in sys.modules or any(name in sys.modules for name in LATER):
        return
    for name, wanted in LATER.items():
        stand_in = ModuleType(name)
        stand_in.__dict__.update(dict.fromkeys(wanted), __all__=list(wanted))
        sys.modules[name] = stand_in
    try:
        ophyd: Any = importlib.import_module("ophyd")
    finally:
        for name in LATER:
            del sys.modules[name]
    for name, wanted in LATER.items():
        for attribute in (name.rpartition(".")[2], *wanted):
            vars(ophyd).pop(attribute, None)

    def found(attribute: str) -> Any:
        """Whatever ophyd has not: all that waits is imported now."""
        if attribute.startswith("__"):
            raise AttributeError(f"module 'ophyd' has no attribute {attribute!r}")
        del ophyd.__getattr__
        for name, wanted in LATER.items():
            module = importlib.import_module(name)
            public = wanted or getattr(module, "__all__", [one for one in vars(module) if not one.startswith("_")])
            for one in public:
                vars(ophyd).setdefault(one, getattr(module, one))
        return getattr(ophyd, attribute)

    ophyd.__getattr__ = found


import_ophyd()
