"""`check_protocol`: whatever happens to the controller, each operation of a protocol happens once.

::

    def test_each_operation_happens_once() -> None:
        print(check_protocol(Path(__file__).parents[1], "first"))

It carries out one experiment of a campaign on the lab's simulated twin, preparations included, and then again and
again: paused right before a message of its plans, and with a controller that dies before or after a commit of its
journal while the instruments continue. What the instruments have done is compared by their own log (`effect(...)` in a
simulator), not by what the controller believes.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labwright.engine import campaign_files
from labwright.lab import LabFolder, read_lab
from labwright.model.errors import ConfigError, unknown
from labwright.model.records import Intent
from labwright.testing._twin import Boundary, Effect, Key, Trace, Twin, chosen, step_of

NOT_COMPARED = ("device", "effect", "lab_time_s", "id")

MOST_TOLD = 5
"""So many problems are shown; the rest follows from them, as a rule."""


@dataclass(frozen=True)
class ContractReport:
    """What was checked.

    Attributes:
        protocols: names.
        messages: of their plans.
        boundaries: of the journal.
        operations: counted in each run.
        effects: of the instruments, counted in each run.
        pauses: messages right before which it was paused.
        kills: boundaries at which a controller was killed.
        questions: that a person had to answer, because an instrument cannot be asked.
    """

    protocols: tuple[str, ...]
    messages: int
    boundaries: int
    operations: int
    effects: int
    pauses: int
    kills: int
    questions: int

    def __str__(self) -> str:
        return (
            f"{', '.join(self.protocols)}: {self.operations} operations with {self.effects} physical effects happened "
            f"once with {self.pauses} pauses (of {self.messages} messages) and {self.kills} kills (at "
            f"{self.boundaries} boundaries of the journal); {self.questions} questions"
        )


def check_protocol(
    root: Path,
    campaign: str,
    *,
    every: int = 1,
    kinds: Collection[Literal["pause", "kill"]] = ("pause", "kill"),
    seed: int = 1,
    tolerance: float = 0.02,
) -> ContractReport:
    """Pause at each message, kill at each boundary, and see that each operation happened once.

    Args:
        root: the lab's folder; it must have a simulated twin whose instruments log their effects.
        campaign: its name; one experiment of it is carried out.
        every: only at each n-th message and boundary, for a quick look.
        kinds: what is done to it.
        seed: of the simulated twin.
        tolerance: relative; so much the numbers of an effect may differ because of what was read before.

    Raises:
        AssertionError: protocol, step, message or boundary, and what happened twice or not at all.
        ConfigError: there is no such campaign, or the lab is wrong.
    """
    folder = read_lab(root)
    files = campaign_files(folder.root)
    if campaign not in files:
        raise ConfigError(unknown("campaign", campaign, list(files)))
    return _Contract(folder, files[campaign], seed, tolerance).check(max(1, every), kinds)


class _Contract:
    """The undisturbed run, and all others held against it."""

    def __init__(self, folder: LabFolder, file: Path, seed: int, tolerance: float) -> None:
        self._folder = folder
        self._file = file
        self._seed = seed
        self._tolerance = tolerance
        self._questions = 0
        self._good = self._run()
        self._groups: list[Effect] = []
        self._where = f"campaign {file.stem}"
        self._check_undisturbed()
        self._expected = self._sorted(self._good)
        self._ways = self._ways_of_groups()

    def check(self, every: int, kinds: Collection[str]) -> ContractReport:
        """Everything that is asked for."""
        good = self._good
        pauses = self._check_pauses(set(chosen(list(good.messages), every, 0))) if "pause" in kinds else 0
        kills = self._check_kills(every) if "kill" in kinds else 0
        return ContractReport(
            protocols=tuple(dict.fromkeys(good.protocols.values())),
            messages=len(good.messages),
            boundaries=len(good.boundaries),
            operations=len(good.confirmed),
            effects=len(good.effects),
            pauses=pauses,
            kills=kills,
            questions=self._questions,
        )

    def _run(self, **how: Any) -> Trace:
        with tempfile.TemporaryDirectory(prefix="labwright-contract-") as data, _quiet("cut_at" in how):
            return Twin(self._folder, self._file, Path(data), seed=self._seed, happened=self._happened, **how).run()

    def _check_undisturbed(self) -> None:
        """It ends well, shows its operations in the log, and does the same when it is done again."""
        good = self._good
        _check(good.state == "completed", f"{self._where}, undisturbed, {good.state}: {good.reason}")
        for one in good.operations:
            intent = one.intent
            if intent.kind != "wait" and intent.reconcile != "by_state" and not self._effects_of(intent):
                raise AssertionError(
                    f"{self._place(intent)}: {intent.what} left no line in the log of effects; whether it happened "
                    f"twice cannot be seen. Let the simulator of {intent.device} call self.effect(...) where it acts"
                )
        for index in range(good.began_at, len(good.effects)):
            _check(
                good.of_effect(index) is not None,
                f"{self._where}, undisturbed: {_told(good.effects[index])} belongs to no operation of a plan, and "
                "nothing prevents it from happening again. Yield it: yield from physical(context, device.axis, value)",
            )
        again = self._run()
        for (step, n), words in good.messages.items():
            other = again.messages.get((step, n), "nothing")
            _check(
                self._alike(words, other),
                f"{self._named(step)} does not do the same twice: message {n} was {words!r}, and with the same order "
                f"and the same readings {other!r}. A plan may depend on its order and on what it reads, not on chance "
                "or the time of day: after a crash it is carried out again from its beginning, and must come to where "
                "it was",
            )
        more = [key for key in again.messages if key not in good.messages]
        _check(not more, f"{self._named(more[0][0] if more else '')} does more the second time, with the same order")

    def _check_pauses(self, left: set[Key]) -> int:
        """Several pauses in a run, as many as do not fall together; if it goes wrong, each of them alone."""
        count = 0
        while left:
            trace = self._run(pause_at=left)
            if not trace.paused:
                step, n = min(left)
                raise AssertionError(f"{self._named(step)}: message {n} did not come again when it was paused before")
            problems = list(self._problems(trace, killed=False))
            if problems:
                for key in sorted(trace.paused):
                    alone = list(self._problems(self._run(pause_at={key}), killed=False))
                    if alone:
                        self._fail(f"{self._named(key[0])}, paused {self._message(key)}", alone)
                self._fail(f"{self._where}, paused {len(trace.paused)} times", problems)
            count += len(trace.paused)
            left -= trace.paused
        return count

    def _check_kills(self, every: int) -> int:
        good, count = self._good, 0
        for boundary in chosen(good.boundaries, every, every // 2):
            number = good.boundaries.index(boundary) + 1
            trace = self._run(cut_at=boundary)
            where = f"killed at boundary {number} of {len(good.boundaries)} ({boundary})"
            problems = list(self._problems(trace, killed=True))
            if not trace.cut:
                problems.insert(0, "it did not come to this boundary again")
            if problems:
                self._fail(f"{self._named_by(boundary)}, {where}", problems)
            count += 1
        return count

    def _problems(self, trace: Trace, *, killed: bool) -> Iterator[str]:
        """What has happened twice or not at all, compared with the undisturbed run."""
        yield from trace.wrong
        for text, doubt in trace.questions:
            self._questions += 1
            if doubt is None or doubt.reconcile != "ask":
                yield f"a person was asked: {text}"
        if trace.state != "completed":
            yield f"the campaign {trace.state}: {trace.reason}"
        yield from self._effect_problems(trace, killed=killed)
        told: set[str] = set()
        for (step, n), words in trace.messages.items():
            before = self._good.messages.get((step, n), words)
            if (
                words != "close_run" and step not in told and not self._alike(before, words)
            ):  # its end is reported elsewhere
                told.add(step)
                yield f"{self._named(step)}: its message {n} was {before!r} undisturbed, and now it was {words!r}"
        for intent in trace.undecided:
            yield f"{self._place(intent)}: {intent.what} is still {intent.state}"
        for key, intent in self._good.confirmed.items():
            if key not in trace.confirmed:
                yield f"{self._place(intent)}: {intent.what} was never confirmed"
        for key in trace.confirmed.keys() - self._good.confirmed.keys():
            yield f"{self._place(trace.confirmed[key])}: {trace.confirmed[key].what} was done, undisturbed it was not"
        for step, n in sorted(self._good.readings - trace.readings):
            yield f"{self._named(step)}: reading {n} was not recorded"

    def _effect_problems(self, trace: Trace, *, killed: bool) -> Iterator[str]:
        found = self._sorted(trace)
        wanted, come = Counter(self._expected), Counter(found)
        in_a_row = self._in_a_row(trace, found) - self._in_a_row(self._good, self._expected)
        for group, effect in enumerate(self._groups):
            ways = self._ways.get(group, set())
            times, meant = come[group], wanted[group]
            harmless = bool(ways) and all(way == "by_state" for _, way in ways)
            states = harmless and all(kind == "set" for kind, _ in ways)
            last = max((index for index, one in enumerate(found, trace.began_at) if one == group), default=None)
            operation = None if last is None else trace.of_effect(last)
            told = _told(effect) + ("" if operation is None else f" in {self._place(operation.intent)}")
            if times < meant:
                yield f"{_told(effect)} happened {_times(times)} instead of {_times(meant)}"
            elif killed and states and in_a_row[group] > 0:
                yield (
                    f"{told} happened {_times(times)} instead of {_times(meant)}: it is declared by_state, which "
                    "states that twice is as good as once, but its instrument did it again. Declare by_counter or "
                    "by_command_id, or leave it to a person (ask)"
                )
            elif times > meant and not (killed and harmless):
                yield f"{told} happened {_times(times)} instead of {_times(meant)}"

    def _in_a_row(self, trace: Trace, groups: list[int]) -> Counter[int]:
        """How often a device does the same again with nothing else between."""
        last: dict[str, int] = {}
        count: Counter[int] = Counter()
        for effect, group in zip(trace.effects[trace.began_at :], groups, strict=True):
            count[group] += last.get(effect["device"]) == group
            last[effect["device"]] = group
        return count

    def _sorted(self, trace: Trace) -> list[int]:
        """The group of each effect; a group is what is alike."""
        found = []
        for effect in trace.effects[trace.began_at :]:
            group = next((n for n, one in enumerate(self._groups) if self._same(one, effect)), None)
            if group is None:
                group = len(self._groups)
                self._groups.append(effect)
            found.append(group)
        return found

    def _ways_of_groups(self) -> dict[int, set[tuple[str, str]]]:
        """By group: kind of operation that causes it, and how that is reconciled."""
        ways: dict[int, set[tuple[str, str]]] = {}
        for index, group in enumerate(self._expected, self._good.began_at):
            operation = self._good.of_effect(index)
            if operation is not None:
                ways.setdefault(group, set()).add((operation.intent.kind, operation.intent.reconcile))
        return ways

    def _happened(self, trace: Trace, doubt: Intent) -> bool:
        """Whether an operation has happened: its instrument has done more than what is confirmed accounts for."""
        expected = Counter(one["effect"] for one in self._effects_of(doubt))
        begun = trace.effects[trace.began_at :]
        done = Counter(one["effect"] for one in begun if one["device"] == doubt.device)
        for one in trace.operations:
            if one.intent.device == doubt.device and (one.intent.step_id, one.intent.n) != (doubt.step_id, doubt.n):
                done -= Counter(effect["effect"] for effect in self._effects_of(one.intent))
        return bool(expected) and done >= expected

    def _effects_of(self, intent: Intent) -> list[Effect]:
        """What an operation does, undisturbed."""
        good, key = self._good, (step_of(intent.step_id), intent.n)
        owners = {index: good.of_effect(index) for index in range(len(good.effects))}
        return [
            good.effects[index]
            for index, one in owners.items()
            if one is not None and (step_of(one.intent.step_id), one.intent.n) == key
        ]

    def _same(self, one: Effect, other: Effect) -> bool:
        keys = one.keys() | other.keys()
        same_names = all(one[key] == other[key] for key in ("device", "effect"))
        return same_names and all(self._close(one.get(k), other.get(k)) for k in keys if k not in NOT_COMPARED)

    def _close(self, one: Any, other: Any) -> bool:
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one, other))
        if numbers and (isinstance(one, float) or isinstance(other, float)):
            return bool(abs(one - other) <= self._tolerance * max(abs(one), abs(other)) + 1e-9)
        return bool(one == other)

    def _alike(self, one: str, other: str) -> bool:
        """Whether two messages are the same but for a number that a reading has changed a little."""
        (name, _, value), (name_2, _, value_2) = one.rpartition(" "), other.rpartition(" ")
        try:
            return name == name_2 and self._close(float(value), float(value_2))
        except ValueError:
            return one == other

    def _place(self, intent: Intent) -> str:
        return f"{self._named(step_of(intent.step_id))}, operation {intent.n}"

    def _named(self, step: str) -> str:
        return f"protocol {self._good.protocols.get(step, '?')}, step {step}"

    def _named_by(self, boundary: Boundary) -> str:
        """By the step that a boundary of the journal belongs to."""
        family, _, name = boundary.what.partition(":")
        fitting = [step for step in self._good.protocols if step.rpartition("/")[2] == name]
        return self._named(fitting[0]) if family != "event" and len(fitting) == 1 else self._where

    def _message(self, key: Key) -> str:
        return f"right before message {key[1]} ({self._good.messages[key]})"

    @staticmethod
    def _fail(where: str, problems: list[str]) -> None:
        problems = list(dict.fromkeys(problems))
        more = [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
        raise AssertionError("\n  ".join([f"{where}:", *problems[:MOST_TOLD], *more]))


@contextlib.contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    """What a dying controller logs would hide the test's own message."""
    before = logging.root.manager.disable
    if quiet:
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _told(effect: Effect) -> str:
    """An effect in words."""
    data = ", ".join(f"{key} {value}" for key, value in effect.items() if key not in NOT_COMPARED)
    return f"{effect['device']} {effect['effect']}" + (f" ({data})" if data else "")


def _times(count: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")
