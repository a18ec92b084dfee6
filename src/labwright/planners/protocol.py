"""What every planner can do, and how to load one by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from labwright.model.campaign import (
    CampaignState,
    Explanation,
    Outcome,
    PlannerSpec,
    Recommendation,
    StopAdvice,
    Suggestion,
)
from labwright.model.errors import ConfigError, PlannerError, unknown
from labwright.model.space import Params
from labwright.model.words import what_is_wrong

__all__ = ["BACKENDS", "BUILT_IN", "PLANNERS", "Capability", "Planner", "lacking", "load_planner", "needs"]

BUILT_IN = ("gp", "random", "sobol")
"""Planners that are Labwright's own."""

BACKENDS = {"baybe": ("baybe", "torch"), "botorch": ("botorch", "torch"), "optuna": ("optuna",), "skopt": ("skopt",)}
"""Planners that need another library, with its modules; all but skopt come with an extra of the planner's name."""

PLANNERS = tuple(sorted([*BUILT_IN, *BACKENDS]))

Capability = Literal["two objectives", "more objectives", "outcome limits", "cost", "fidelity", "earlier campaigns"]
"""What a campaign may need of a planner beyond one objective; spaces, failures and batches are for all of them."""


@runtime_checkable
class Planner(Protocol):
    """A pure function of the campaign's state: the same state gives the same answer, in any process."""

    @property
    def name(self) -> str:
        """The name `load_planner` knows it by."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it takes account of."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` experiments, inside the space and its constraints, none of them tried or pending already.

        A measured point may be proposed once more where readings have a standard error or differed before; the
        rationale then states that it is a repeat.

        Raises:
            PlannerError: the space holds no further point.
        """

    def predict(self, state: CampaignState, points: Sequence[Params]) -> list[Outcome]:
        """The prediction at `points`: posterior mean and standard error of the noise-free value.

        Raises:
            PlannerError: nothing was measured yet.
        """

    def best(self, state: CampaignState) -> Recommendation | None:
        """The best of what was made so far; None while nothing is done."""

    def explain(self, state: CampaignState) -> Explanation:
        """What was learnt so far: which parameters matter, and how good leave-one-out predictions are.

        Raises:
            PlannerError: too little was measured yet.
        """

    def advise_stop(self, state: CampaignState) -> StopAdvice | None:
        """Whether further experiments are worth it; None while too little is known."""


def needs(state: CampaignState) -> frozenset[Capability]:
    """What a campaign asks of its planner."""
    wanted: set[Capability] = set()
    if state.more_objectives:
        wanted.add("two objectives" if len(state.more_objectives) == 1 else "more objectives")
    if state.outcome_limits:
        wanted.add("outcome limits")
    if state.cost is not None:
        wanted.add("cost")
    if state.fidelity is not None:
        wanted.add("fidelity")
    if state.earlier:
        wanted.add("earlier campaigns")
    return frozenset(wanted)


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
