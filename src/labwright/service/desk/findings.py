"""What the lab finds of a request, as it is passed on and kept."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from labwright.answers import desk
from labwright.model.base import Frozen

SETTLED = ("terms", "cost")
"""Codes of what was agreed when a request was approved: later it stops nothing."""

PASSING = ("material", "not_whole", "no_controller")
"""Codes of what the lab may have again tomorrow."""


class Quote(desk.Quote):
    """What a request takes, as it is answered; and what is charged of it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

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

    problems: tuple[desk.Finding, ...] = ()
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
