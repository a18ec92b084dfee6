"""What a step waits for, in words for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Because = Literal["has", "beyond", "older", "planned"]
"""Why a step waits, as in `Waiting.because`."""


@dataclass(frozen=True)
class Waiting:
    """A step that waits for what another sample has.

    Attributes:
        step_id: the step.
        campaign: id of its campaign.
        label: of its experiment.
        kind: of what it waits for; ``reset`` where a person has to reset a stop, ``site`` for any position of a
            station, ``batch`` for its batch to begin, ``way`` where no transport reaches what it needs, ``closed`` for
            a station that people have, or will before it is over.
        name: of what it waits for.
        holder: id of the campaign whose sample has it; the sample's own where it waits for its turn; empty where a
            container stands that is no sample's.
        holder_label: label of that sample.
        holder_step: the step that has it, where a step does.
        because: ``has`` it; or has something ``beyond``, so that the two would block each other; or is ``older``, and
            what it needs is kept for it; or is to be moved first, as ``planned``.
        alike: how many further samples that have nothing yet wait for the same.
    """

    step_id: str
    campaign: str
    label: str
    kind: Literal["station", "position", "device", "reset", "site", "batch", "way", "closed"]
    name: str
    holder: str
    holder_label: str
    holder_step: str = ""
    because: Because = "has"
    alike: int = 0

    @classmethod
    def for_resource(
        cls,
        step_id: str,
        campaign: str,
        label: str,
        resource: str,
        holder: str,
        holder_label: str,
        holder_step: str = "",
        because: Because = "has",
    ) -> Waiting:
        """A step that waits for a resource, by its key: ``KIND:NAME`` of a station, a device or a position."""
        kind, _, name = resource.partition(":")
        where: Literal["station", "position", "device"] = (
            "station" if kind == "station" else "device" if kind == "device" else "position"
        )
        return cls(step_id, campaign, label, where, name, holder, holder_label, holder_step, because)

    def __str__(self) -> str:
        more = f"; {self.alike} more like it" if self.alike else ""
        return f"{self._words()}{more}"

    def _words(self) -> str:
        sample = self.holder_label if self.holder == self.campaign else f"{self.holder}/{self.holder_label}"
        if self.kind == "reset":
            return f"{self.step_id} for a person to reset the stop of {self.name}"
        if self.kind == "batch":
            return f"{self.step_id} for its batch at {self.name} to begin"
        if self.kind == "way":
            return f"{self.step_id} for a way to {self.name}: no transport goes there"
        if self.kind == "closed":
            return f"{self.step_id} for {self.name}"
        if self.because == "planned":
            return f"{self.step_id} for its turn at {self.name}: {sample} is moved first, as planned"
        if self.kind == "site":
            return f"{self.step_id} for a free position at {self.name}; {self.holder_step or sample} has one"
        what = f"{self.step_id} for {self.kind} {self.name}"
        if not self.holder and not self.holder_label:
            return f"{what}, where a container stands that is no sample's"
        if self.because == "older":
            return f"{what}, which is kept for {sample}, which has waited longer"
        if self.because == "beyond":
            return f"{what}, which {sample} still has to pass: the two would block each other"
        return f"{what}, which {self.holder_step or sample} has"
