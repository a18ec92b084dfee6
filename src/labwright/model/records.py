"""What a station keeps of a step, operation by operation, so that it can go on in the middle."""

from __future__ import annotations

from typing import Any, Literal

from labwright.model.base import Frozen
from labwright.model.material import Used
from labwright.model.operations import Reconcile
from labwright.model.states import IntentState

OperationKind = Literal["set", "measure", "wait"]

Follow = Literal["", "rest", "again"]


class Intent(Frozen):
    """One physical operation: written before a byte of it reaches a wire.

    Attributes:
        step_id: the step it belongs to.
        n: its number among the step's messages that are kept; with the step's id it is the operation's key.
        attempt: 1, and one more each time it was found not to have happened.
        kind: a set, a measurement, or a wait.
        device: the device's name.
        axis: what is set, by attribute name; empty for a measurement.
        value: in the axis' unit; seconds for a wait. Of an attempt that was done in part: the part.
        reconcile: how doubt about it is settled.
        witness: what the device's counter said before.
        epoch: of the controller that wrote it.
        state: prepared, confirmed, absent, unknown.
        words: what was found, in words.
        decided_by: ``reply``, ``evidence``, or a person's name.
        result: readings that the device kept under its command id.
        prepared_s: lab time.
        decided_s: lab time.
        stock: that it takes from; empty if from none.
        amount: what `value` takes of the stock, in its smallest unit.
        counted: how much the device's counter shows of it, where that was looked up.
        asked: the whole that the plan asked for, where this attempt is a part of it.
        before: what earlier attempts have done of the whole.
        follow: what a person has decided to come after a part: nothing, the rest, or the whole once more.
        campaign: whose it is.
        label: of the experiment.
        step: the step's name in its protocol.
    """

    step_id: str
    n: int
    attempt: int = 1
    kind: OperationKind
    device: str
    axis: str = ""
    value: float | None = None
    reconcile: Reconcile = "ask"
    witness: float | None = None
    epoch: int
    state: IntentState = "prepared"
    words: str = ""
    decided_by: str = ""
    result: dict[str, Any] | None = None
    prepared_s: float
    decided_s: float | None = None
    stock: str = ""
    amount: int = 0
    counted: float | None = None
    asked: float | None = None
    before: float = 0.0
    follow: Follow = ""
    campaign: str = ""
    label: str = ""
    step: str = ""

    @property
    def key(self) -> str:
        """Unique in the journal, whatever attempt."""
        return f"{self.step_id}#{self.n}"

    @property
    def whole(self) -> float | None:
        """What the plan asked for, of which this attempt may be a part."""
        return self.value if self.asked is None else self.asked

    @property
    def used(self) -> Used:
        """What it took of its stock; nothing if it is known not to have happened."""
        if self.state == "absent":
            return Used()
        return Used(amount=self.amount) if self.state == "confirmed" else Used(unknown=self.amount)

    @property
    def command_id(self) -> str:
        """What a device that knows commands by id knows this attempt by."""
        return f"{self.key}@{self.attempt}"

    @property
    def what(self) -> str:
        """The operation in words."""
        if self.kind == "wait":
            return f"wait {self.value:g} s"
        return f"{self.device}.{self.axis} = {self.value:g}" if self.kind == "set" else f"{self.device} measures"


class Observation(Frozen):
    """What a device reported: recorded before the plan receives it.

    Attributes:
        step_id: the step it belongs to.
        n: its number among the step's messages that are kept.
        device: which one.
        intent: key of the measurement that made it; empty for a plain reading.
        reading: value and timestamp by data key, as Bluesky has it.
        lab_time_s: when.
        campaign: whose it is.
        label: of the experiment.
        step: the step's name in its protocol.
    """

    step_id: str
    n: int
    device: str
    intent: str = ""
    reading: dict[str, dict[str, Any]]
    lab_time_s: float
    campaign: str = ""
    label: str = ""
    step: str = ""

    @property
    def key(self) -> str:
        """Unique in the journal."""
        return f"{self.step_id}#{self.n}"


class StepRecord(Frozen):
    """All that is kept of a step.

    Attributes:
        intents: the newest attempt of each operation that counts, by number.
        attempts: how often each was tried, also before a retry of the step.
        observations: by number.
        taking: all attempts that take from a stock, also those that do not count any more.
        once: numbers and attempts of operations that must not be repeated, and have happened or may have.
    """

    intents: dict[int, Intent] = {}
    attempts: dict[int, int] = {}
    observations: dict[int, Observation] = {}
    taking: tuple[Intent, ...] = ()
    once: tuple[tuple[int, int], ...] = ()

    @property
    def last(self) -> int:
        """The largest number kept; -1 for none."""
        return max((*self.intents, *self.observations), default=-1)
