"""Every planner by its name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from labwright.model.campaign import PlannerSpec
from labwright.model.errors import ConfigError, unknown
from labwright.model.words import what_is_wrong
from labwright.planners.extras import require
from labwright.planners.protocol import Capability, Planner

__all__ = ["BACKENDS", "BUILT_IN", "PLANNERS", "lacking", "load_planner"]

BUILT_IN = ("gp", "random", "sobol")
"""Planners that are Labwright's own, and choose."""

LISTED = "listed"
"""The one that chooses nothing: it makes what a person has listed."""

BACKENDS = {"baybe": ("baybe", "torch"), "botorch": ("botorch", "torch"), "optuna": ("optuna",), "skopt": ("skopt",)}
"""Planners that need another library, with its modules; all but skopt come with an extra of the planner's name."""

PLANNERS = tuple(sorted([*BUILT_IN, LISTED, *BACKENDS]))


def load_planner(spec: PlannerSpec) -> Planner:
    """Make the planner a campaign asks for.

    Raises:
        ConfigError: no such planner or option (with the nearest name), or a value an option does not take.
        PlannerError: the planner's library is not installed, with the line that installs it.
    """
    if spec.name not in PLANNERS:
        raise ConfigError(unknown("planner", spec.name, PLANNERS))
    for module in BACKENDS.get(spec.name, ()):
        require(spec.name, module)
    chosen = _class_of(spec.name)
    wrong = [unknown(f"option of planner {spec.name!r}", key, list(chosen.model_fields)) for key in spec.options]
    wrong = [text for text, key in zip(wrong, spec.options, strict=True) if key not in chosen.model_fields]
    if wrong:
        raise ConfigError("; ".join(wrong))
    try:
        planner = chosen.model_validate(spec.options)
    except ValidationError as error:
        raise ConfigError(f"options of planner {spec.name!r}: {what_is_wrong(error)}") from error
    assert isinstance(planner, Planner)  # noqa: S101 - tells mypy what the classes below are
    return planner


def lacking(planner: Planner, wanted: frozenset[Capability]) -> str:
    """Why a planner cannot be used for a campaign, and which one can; empty if it can."""
    short = sorted(wanted - planner.capabilities)
    if not short:
        return ""
    # Not validated: that would look for the library, and what a planner can do holds before it is installed.
    every: dict[str, Any] = {name: _class_of(name).model_construct() for name in PLANNERS}
    others = [name for name, other in every.items() if wanted <= other.capabilities]
    advice = f"choose {', '.join(others)}" if others else "no planner takes account of all of it: leave something out"
    return f"planner {planner.name!r} takes no account of {', '.join(short)}; {advice}"


def _class_of(name: str) -> type[BaseModel]:
    # Imported only when chosen: each may bring its own heavy library.
    if name == "gp":
        from labwright.planners.gp.planner import GpPlanner

        return GpPlanner
    if name == "baybe":
        from labwright.planners.backends.baybe import BaybePlanner

        return BaybePlanner
    if name == "botorch":
        from labwright.planners.backends.botorch import BotorchPlanner

        return BotorchPlanner
    if name == LISTED:
        from labwright.planners.listed import ListedPlanner

        return ListedPlanner
    if name == "optuna":
        from labwright.planners.backends.optuna import OptunaPlanner

        return OptunaPlanner
    if name == "skopt":
        from labwright.planners.backends.skopt import SkoptPlanner

        return SkoptPlanner
    if name == "sobol":
        from labwright.planners.sobol import SobolPlanner

        return SobolPlanner
    from labwright.planners.random import RandomPlanner

    return RandomPlanner
