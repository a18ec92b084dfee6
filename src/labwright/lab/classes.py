"""Classes by name: ``module:Class`` in the lab folder or in an installed package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from labwright.model.errors import ConfigError, unknown

FOLDERS = ("devices", "protocols", "simulators")


def enter(root: Path) -> None:
    """Make the lab's folders importable in this process, once and for all: one process runs one lab.

    Raises:
        ConfigError: modules of these names were already imported from another folder.
    """
    root = root.resolve()
    for name in FOLDERS:
        module = sys.modules.get(name)
        if module is None:
            continue
        places = {Path(place).resolve().parent for place in getattr(module, "__path__", [])}
        if places and root not in places:
            elsewhere = ", ".join(map(str, sorted(places)))
            raise ConfigError(
                f"cannot open the lab {root}: '{name}' was already imported from {elsewhere}. "
                "One process runs one lab; start a new one."
            )
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()


def resolve(path: str) -> type[Any]:
    """The class at ``module:Class``.

    Raises:
        ConfigError: the module cannot be imported, or has no such class; says which, and the nearest name.
    """
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{path!r} cannot be imported: {error}") from error
    except (SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
        where = _place(error)
        raise ConfigError(f"{path!r} cannot be imported, {where}{type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module_name]
        classes = [value.__name__ for value in own if isinstance(value, type)]
        raise ConfigError(f"{module_name}: {unknown('class', class_name, classes)}")
    return found


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if isinstance(error, SyntaxError) or trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}: "
