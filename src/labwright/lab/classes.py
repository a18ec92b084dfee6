"""Classes by name: ``module:Class`` in the lab folder or in an installed package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from labwright.model.errors import ConfigError, LabwrightError, unknown
from labwright.model.words import what_is_wrong

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


def load_module(name: str) -> ModuleType:
    """Import a module of the lab, or of an installed package.

    Raises:
        ConfigError: it cannot be imported; says where, in the lab's own file if it is one.
    """
    with in_words(ConfigError, f"{name!r} cannot be imported"):
        return importlib.import_module(name)
    raise AssertionError("unreachable")


def resolve(path: str) -> type[Any]:
    """The class at ``module:Class``.

    Raises:
        ConfigError: the module cannot be imported, or has no such class; says which, and the nearest name.
    """
    module_name, _, class_name = path.partition(":")
    module = load_module(module_name)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module_name]
        classes = [value.__name__ for value in own if isinstance(value, type)]
        raise ConfigError(f"{module_name}: {unknown('class', class_name, classes)}")
    return found


@contextmanager
def in_words(kind: type[LabwrightError], what: str) -> Iterator[None]:
    """A lab's files are its author's code: what they raise becomes a `kind` with file and line, no traceback."""
    try:
        yield
    except LabwrightError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ValidationError):  # a declaration that means nothing: its class, and why
            said = f"{error.title}: {what_is_wrong(error)}"
        else:
            said = f"{error}" if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise kind(f"{what}: {place_of(error)}{said}") from error


def place_of(error: BaseException) -> str:
    """``file:line: `` of the innermost frame in the lab's own files; empty if none is there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}: "
    here = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if Path(name).parent.name in FOLDERS:
            here = f"{_shown(name)}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return here


def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(path.parents[1])) if path.parent.name in FOLDERS else filename
