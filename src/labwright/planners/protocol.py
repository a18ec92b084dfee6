"""What every planner can do, and what a campaign asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from labwright.model.campaign import (
    CampaignState,
    Explanation,
    Outcome,
    Recommendation,
    StopAdvice,
    Suggestion,
)
from labwright.model.space import Params

__all__ = ["Capability", "Planner", "needs"]

Capability = Literal[
    "two objectives",
    "more objectives",
    "outcome limits",
    "cost",
    "fidelity",
    "earlier campaigns",
    "parameters that are equal within a batch",
]
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

        Where the state holds parameters, all of them have these.

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
    if state.held:
        wanted.add("parameters that are equal within a batch")
    return frozenset(wanted)
