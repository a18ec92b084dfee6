"""What the lab finds of a request, as it is passed on and kept."""

from __future__ import annotations

from typing import Any

from labwright.model.base import Frozen


class Found(Frozen):
    """Something that is wrong with a request.

    Attributes:
        pointer: JSON pointer to its place in the request.
        code: for programs; it stays the same.
        detail: what, which value, which limit and what to do, in words.
    """

    pointer: str
    code: str
    detail: str


SETTLED = ("terms", "cost")
"""Codes of what was agreed when a request was approved: later it stops nothing."""

PASSING = ("material", "not_whole", "no_controller")
"""Codes of what the lab may have again tomorrow."""


class Cost(Frozen):
    """What a request costs.

    Attributes:
        currency: of the numbers.
        fixed: whatever comes of it.
        experiment: for each experiment that is carried out.
        whole: if all are.
    """

    currency: str
    fixed: float
    experiment: float
    whole: float


class Quote(Frozen):
    """What a request takes.

    Attributes:
        experiments: how many.
        fixed_minutes: minutes of stations before the first experiment, by station.
        minutes: of stations for each experiment, by station.
        materials: amounts for all of it, by material, as in ``1.2 mL``.
        containers: by kind.
        cost: in the desk's currency.
        starts_in_s: lab seconds from now until it could begin; None if that is not known.
        ends_in_s: the same until it could be over.
        notes: what a person should know of this, in words.
    """

    experiments: int
    fixed_minutes: dict[str, float]
    minutes: dict[str, float]
    materials: dict[str, str]
    containers: dict[str, int]
    cost: Cost
    starts_in_s: float | None = None
    ends_in_s: float | None = None
    notes: tuple[str, ...] = ()

    def charge(self, experiments: int) -> dict[str, float]:
        """What is charged for so many experiments: all that is fixed, and the share of each that was carried out.

        For all of them it is what was quoted, for none nothing. Experiments that equipment has spoilt are not counted.
        """
        if not experiments:
            return {"experiments": 0.0, "station_minutes": 0.0, "cost": 0.0}
        fixed, each = sum(self.fixed_minutes.values()), sum(self.minutes.values())
        return {
            "experiments": float(experiments),
            "station_minutes": round(fixed + experiments * each, 6),
            "cost": round(self.cost.fixed + experiments * self.cost.experiment, 6),
        }


class Appraisal(Frozen):
    """What the lab finds of a request.

    Attributes:
        problems: everything that is wrong with it; empty if it can be carried out.
        quote: what it takes; None if that cannot be said.
        spec: the campaign it would become; empty with problems.
        lab_sha256: of the lab's files it was held against.
        instruments: on which it would run.
        technical: operators who have to accept it.
        safety: safety reviewers who have to.
        approval_days: for which an approval holds.
        hastened: requests of the project above ``routine`` that may be open at once.
        open_requests: requests of the project that may be.
        delivery_days: for which a link to what was found works.
    """

    problems: tuple[Found, ...] = ()
    quote: Quote | None = None
    spec: dict[str, Any] = {}
    lab_sha256: str = ""
    instruments: str = ""
    technical: int = 1
    safety: int = 1
    approval_days: float = 30.0
    hastened: int = 2
    open_requests: int = 100
    delivery_days: float = 14.0
