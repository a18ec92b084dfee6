"""The state of a lab's core as JSON: with it a restart need not handle all events again.

What is constant stays where it is, or every snapshot would be huge: specs and protocols in the event that started a
campaign, settled trials in their table. Everything else is in the snapshot, in its order, so that equal states give
equal bytes. A snapshot of other code is not read: the events are.
"""

from __future__ import annotations

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

import labwright.model
from labwright.engine.core import CampaignCore, Ending
from labwright.engine.durations import REMEMBERED, Durations
from labwright.engine.events import ENGINE, DeckChecked, Started
from labwright.engine.experiment import Experiment, StepRun, move_spec
from labwright.engine.lab import LabCore
from labwright.engine.material import Material
from labwright.engine.proposals import Proposals
from labwright.engine.questions import Questions
from labwright.engine.reservations import Reservations
from labwright.engine.stopping import Stopping
from labwright.engine.work import Work
from labwright.model.campaign import Suggestion, Trial
from labwright.model.errors import LabwrightError
from labwright.model.protocol import Move, StepSpec
from labwright.model.remarks import Use
from labwright.model.space import Params
from labwright.model.states import CampaignPhase

FORMAT = 1
"""Of the JSON; another is not read."""

Json = dict[str, Any]


class UnreadableSnapshotError(LabwrightError):
    """A snapshot that this code cannot read; the events say the same."""


class _Shape:
    """Attributes of a class, each with its type.

    Args:
        types: by attribute.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = {name: TypeAdapter(kind) for name, kind in types.items()}

    @property
    def names(self) -> set[str]:
        """Of the attributes."""
        return set(self._types)

    @classmethod
    def of(cls, kind: type, *without: str) -> _Shape:
        """Of a dataclass, without some of its attributes."""
        hints = get_type_hints(kind)
        return cls({one.name: hints[one.name] for one in fields(kind) if one.name not in without})

    def dump(self, thing: object) -> Json:
        """The attributes of a thing as JSON."""
        found = vars(thing)
        return {name: _plain(kind.dump_python(found[name], mode="json")) for name, kind in self._types.items()}

    def load(self, kept: Json) -> Json:
        """The attributes again."""
        return {name: kind.validate_python(kept[name]) for name, kind in self._types.items()}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else value


CORE = _Shape(
    {
        "phase": CampaignPhase,
        "reason": str,
        "engine": int,
        "calibrations": dict[str, dict[str, Any]],
        "budget": int,
        "tried": int,
        "spent": float,
        "paused": bool,
        "began_s": float | None,
        "ended_s": float | None,
        "stopping": Stopping,
        "deck_checked": DeckChecked | None,
        "shared": dict[str, tuple[str, ...]],
        "turn": int,
        "_ending": Ending,
        "_stopping": bool,
        "_to_prepare": list[str],
        "resting": bool,
        "_next": tuple[Suggestion, dict[str, int]] | None,
        "replicates_left": int,
        "short": str,
        "lost": str,
        "short_since_s": float | None,
        "closed": str,
        "held": Params,
        "batch_left": int,
        "uses": dict[str, Use],
    }
)
ELSEWHERE = ("campaign", "proposals", "durations", "_started", "_dispatcher", "_trials_of")
"""Attributes of a campaign's core that are not in `CORE`: kept in another way, or follow from the rest."""

_DURATIONS = _Shape.of(Durations, "learnt_s")
_PROPOSALS = _Shape.of(Proposals, "campaign", "dirty", "trials")
_EXPERIMENT = _Shape.of(Experiment, "protocol", "steps", "wanted", "recipes", "sample_row")
_STEP = _Shape.of(StepRun, "spec")
_WORK = _Shape.of(
    Work, "dirty", "reservations", "material", "questions", "live", "look", "preparations", "_claims", "_changed", "_at"
)
_MATERIAL = _Shape.of(Material, "dirty", "counted", "now_s")
_RESERVATIONS = _Shape.of(Reservations, "dirty")
_QUESTIONS = _Shape.of(Questions, "dirty")


def dumped(lab: LabCore, *, whole: bool = False) -> bytes:
    """The state of a lab as JSON; equal states give equal bytes.

    Args:
        lab: between two events.
        whole: with all that is over as well, campaigns and trials: to compare two states.
    """
    cores = [core for core in lab.campaigns.values() if whole or not (core.over or core.phase == "draft")]
    names = {core.campaign for core in cores}
    questions = _QUESTIONS.dump(lab.work.questions)
    if not whole:
        for part in ("asked", "marks"):
            questions[part] = {name: kept for name, kept in questions[part].items() if name in names}
    state = {
        "format": FORMAT,
        "code": code_sha256(),
        "now_s": lab.now_s,
        "instruments": lab.instruments,
        "turns": lab.turns,
        "campaigns": {core.campaign: _dumped_core(core, whole=whole) for core in cores},
        "experiments": [_dumped_experiment(one) for core in cores for one in core.live.values()],
        "work": _WORK.dump(lab.work),
        "material": {**_MATERIAL.dump(lab.material), "counted": sorted(lab.material.counted)},
        "reservations": _RESERVATIONS.dump(lab.reservations),
        "questions": questions,
    }
    return to_json(state, inf_nan_mode="null")  # as events are written


def loaded(
    state: bytes | str,
    started: Callable[[str], Started],
    trials: Callable[[str, int], Sequence[Trial]],
    only: Container[str] | None = None,
) -> LabCore:
    """The lab of a snapshot.

    Args:
        state: as `dumped` wrote it.
        started: finds how a campaign began.
        trials: finds the first so many trials of a campaign, those that were settled as they are.
        only: campaigns to keep; the others are left out (`LabCore.leave_out`). All if None.

    Raises:
        UnreadableSnapshotError: other code has written it, or it is damaged.
    """
    try:
        kept = orjson.loads(state)
        if (kept["format"], kept["code"]) != (FORMAT, code_sha256()):
            raise UnreadableSnapshotError("a snapshot of other code")
        return _loaded(kept, started, trials, only)
    except (KeyError, TypeError, IndexError, orjson.JSONDecodeError, ValidationError) as error:
        raise UnreadableSnapshotError(f"a damaged snapshot: {error}") from error


@functools.cache
def code_sha256() -> str:
    """Which code decides: a snapshot says nothing to another, which may have decided otherwise."""
    digest = hashlib.sha256(f"{ENGINE}".encode())
    for folder in (Path(__file__).parent, Path(labwright.model.__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _dumped_core(core: CampaignCore, *, whole: bool) -> Json:
    unsettled = range(len(core.trials)) if whole else _unsettled(core)
    return {
        **CORE.dump(core),
        "took_s": _DURATIONS.dump(core.durations)["took_s"],
        "proposals": _PROPOSALS.dump(core.proposals),
        "trials": len(core.trials),
        "unsettled": {str(index): core.trials[index].model_dump(mode="json") for index in unsettled},
    }


def _unsettled(core: CampaignCore) -> Iterable[int]:
    """Trials of which something may still be found: of experiments under way, and what people want."""
    under_way = {index for one in core.live.values() if (index := core.trial_of(one)) is not None}
    return sorted(under_way.union(core.proposed))


def _dumped_experiment(experiment: Experiment) -> Json:
    return {
        **_EXPERIMENT.dump(experiment),
        "wanted": sorted(experiment.wanted),
        "protocol": experiment.protocol.name,
        "steps": {name: _dumped_step(run) for name, run in experiment.steps.items()},
    }


def _loaded(
    kept: Json,
    started: Callable[[str], Started],
    trials: Callable[[str, int], Sequence[Trial]],
    only: Container[str] | None,
) -> LabCore:
    lab = LabCore()
    lab.now_s, lab.instruments, lab.turns = kept["now_s"], kept["instruments"], kept["turns"]
    vars(lab.work).update(_WORK.load(kept["work"]))
    vars(lab.material).update(_MATERIAL.load(kept["material"]), counted=frozenset(kept["material"]["counted"]))
    lab.material.now_s = lab.now_s
    vars(lab.reservations).update(_RESERVATIONS.load(kept["reservations"]))
    vars(lab.work.questions).update(_QUESTIONS.load(kept["questions"]))
    others = [name for name in kept["campaigns"] if only is not None and name not in only]
    for name, core in kept["campaigns"].items():
        first = started(name)
        known = [] if name in others else _trials(name, core, trials)
        proposals = Proposals(name, lab.dirty, known, **_PROPOSALS.load(core["proposals"]))
        took_s = {step: deque(values, REMEMBERED) for step, values in core["took_s"].items()}
        state = {**CORE.load(core), "proposals": proposals, "durations": Durations(first.learnt_s, took_s)}
        lab.campaign(name).restore(first, state)
    for experiment in kept["experiments"]:
        lab.work.restore(_loaded_experiment(experiment, lab.campaigns[experiment["owner"]].started))
    for name in others:
        lab.leave_out(name)
    return lab


def _trials(campaign: str, core: Json, trials: Callable[[str, int], Sequence[Trial]]) -> list[Trial]:
    number, unsettled = core["trials"], {int(index): one for index, one in core["unsettled"].items()}
    settled = list(trials(campaign, number)) if len(unsettled) < number else [None] * number
    if len(settled) != number:
        raise UnreadableSnapshotError(f"{campaign} had {number} trials, the table has {len(settled)}")
    found = []
    for index, trial in enumerate(settled):
        if index in unsettled:
            found.append(Trial.model_validate(unsettled[index]))
        elif trial is None or trial.pending:
            raise UnreadableSnapshotError(f"{campaign}: trial {index + 1} of the table is not settled")
        else:
            found.append(trial)
    return found


def _loaded_experiment(kept: Json, started: Started) -> Experiment:
    protocol = next(one for one in started.protocols if one.name == kept["protocol"])
    specs = {step.name: step for step in protocol.steps}
    labware = protocol.labware
    steps = {name: _loaded_step(run, specs.get(name), labware) for name, run in kept["steps"].items()}
    wanted = frozenset(kept["wanted"])
    return Experiment(protocol=protocol, steps=steps, wanted=wanted, **_EXPERIMENT.load(kept))


def _dumped_step(run: StepRun) -> Json:
    if not run.carrier:
        return _STEP.dump(run)
    spec = run.spec
    moved = {"end": run.move_end, "leaves": spec.leaves, "by": spec.station, "takes_s": spec.expected_s}
    return {**_STEP.dump(run), "move": {**moved, "timeout_s": spec.timeout_s}}


def _loaded_step(kept: Json, spec: StepSpec | None, labware: str) -> StepRun:
    values = _STEP.load(kept)
    if "move" in kept:
        made = kept["move"]
        move = Move(
            transport=values["carrier"], start=values["start"], end=made["end"], leaves=made["leaves"], labware=labware,
            timeout_s=made.get("timeout_s", 0.0),
        )  # fmt: skip
        spec = move_spec(move, made["by"], made["takes_s"])
    if spec is None:
        raise UnreadableSnapshotError(f"step {values['step_id']} is no step of its protocol")
    return StepRun(spec=spec, **values)
