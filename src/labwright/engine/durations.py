"""How long steps take, by what was seen."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from labwright.engine.experiment import StepRun
from labwright.model.protocol import ProtocolSpec

REMEMBERED = 20
"""Durations of a step that its expected one is the median of."""

ENOUGH = 3
"""So many must be known before they count more than what earlier campaigns took, or the protocol declares."""


@dataclass
class Durations:
    """How long steps took, in seconds of lab time, by ``protocol/step``.

    Attributes:
        learnt_s: in earlier campaigns.
        took_s: in this one, the newest last.
    """

    learnt_s: Mapping[str, float] = field(default_factory=dict)
    took_s: dict[str, deque[float]] = field(default_factory=dict)

    def take(self, protocol: ProtocolSpec, run: StepRun) -> None:
        """A step is done."""
        if run.started_s is not None and run.ended_s is not None:
            took_s = self.took_s.setdefault(f"{protocol.name}/{run.spec.name}", deque(maxlen=REMEMBERED))
            took_s.append(run.ended_s - run.started_s)

    def expected_s(self, protocol: ProtocolSpec) -> dict[str, float]:
        """What the steps of a protocol take, by their names; without those of which too little was seen."""
        expected_s = {}
        for step in protocol.steps:
            key = f"{protocol.name}/{step.name}"
            took_s = self.took_s.get(key, ())
            if len(took_s) >= ENOUGH:
                expected_s[step.name] = statistics.median(took_s)
            elif key in self.learnt_s:
                expected_s[step.name] = self.learnt_s[key]
        return expected_s
