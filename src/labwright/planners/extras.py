"""Whether the library of a planner is installed; each comes with an extra of the planner's name."""

from __future__ import annotations

from importlib.util import find_spec

from labwright.model.errors import PlannerError

__all__ = ["require"]


def require(planner: str, module: str) -> None:
    """Refuse a planner whose library is missing; nothing is imported for that.

    Raises:
        PlannerError: with the line that installs it.
    """
    if find_spec(module) is None:
        raise PlannerError(
            f"planner {planner!r} needs the package {module}, which is not installed: "
            f"pip install 'labwright[{planner}]'"
        )
