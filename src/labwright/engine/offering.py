"""What a person may decide about a step that has failed, besides repeating it as it was and giving its sample up.

Neither is offered where it could do harm: where an operation is in doubt or was done that cannot be undone, where later
steps may need what was to be done, or where other samples go by the same value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from labwright.engine.events import Started
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.questions import Offered
from labwright.model.material import Used
from labwright.model.protocol import ProtocolParameter, StepOutcome
from labwright.model.rows import Row
from labwright.model.space import Space


def offered(started: Started, experiment: Experiment, run: StepRun, outcome: StepOutcome) -> Offered:
    """What is offered about a step that has failed.

    Args:
        started: how its campaign began.
        experiment: the step's.
        run: the step.
        outcome: how it ended.
    """
    protocol = experiment.protocol
    if run.carrier or run.moves or run.batch or run.spec.always or protocol.by_hand or experiment.given_up:
        return Offered()
    skip = _skip_words(experiment, run) if _may_be_left_out(started, experiment, run, outcome) else ""
    return Offered(skip, _parameters(started, experiment, run) if _may_be_edited(experiment, run, outcome) else ())


def _may_be_left_out(started: Started, experiment: Experiment, run: StepRun, outcome: StepOutcome) -> bool:
    """Whether the sample can go on without it: no step needs it, nothing is in doubt, and it is where it should be."""
    if run.spec.name not in started.optional.get(experiment.protocol.name, ()):
        return False
    if outcome.state == "unknown" or outcome.doubt is not None or experiment.in_gripper:
        return False
    if any(one != Used() for one in (*run.used.values(), *outcome.used.values())):
        return False  # the sample is made by half
    if experiment.brought and not experiment.stands_at:
        return False
    return not any(step.holds and step.station == run.spec.station for step in experiment.protocol.steps)


def _skip_words(experiment: Experiment, run: StepRun) -> str:
    left = [one for one in experiment.steps.values() if not (one is run or one.carrier or one.settled)]
    after = f"continues with step {left[0].spec.name}" if left else "is done"
    return f"Leave this step out; sample {experiment.sample} {after}, without what this step does to it"


def _may_be_edited(experiment: Experiment, run: StepRun, outcome: StepOutcome) -> bool:
    """Whether it can be repeated with other values: nothing of it has happened that is not done again."""
    if experiment.preparation or run.spec.manual is not None:
        return False
    if outcome.doubt is None:
        return outcome.state != "unknown" and outcome.kept == 0
    return outcome.kept == 1 and outcome.part is not None and outcome.part.counted == 0


def _parameters(started: Started, experiment: Experiment, run: StepRun) -> tuple[Row, ...]:
    """Parameters with whose values it can be repeated, each with the present one."""
    protocol, space = experiment.protocol, started.spec.space
    reads = started.reads.get(protocol.name)
    if reads is None:
        return ()  # of an earlier release: it is not known who reads what
    mine, searched = reads.get(run.spec.name), space.names
    alike = {name for step in protocol.steps for name in step.recipe}
    alike |= set(started.spec.batch.same) if started.spec.batch is not None else set()
    found = []
    for one in protocol.parameters:
        wanted = one.name in mine if mine is not None else one.name not in searched
        if wanted and one.name not in alike and not _settled(one.name, searched, reads, experiment, run):
            found.append(_row(one, space, experiment.parameters))
    return tuple(found)


def _settled(
    name: str, searched: Collection[str], reads: Mapping[str, Collection[str]], experiment: Experiment, run: StepRun
) -> bool:
    """Whether another step goes by the present value, or has done so, and what was made is known by it."""
    if name in searched and run.round > 1:
        return True
    for other in experiment.steps.values():
        if other is run or other.carrier or name not in reads.get(other.spec.name, (name,)):
            continue
        was_done = other.state == "done" or other.round > 1
        if other.active or (was_done and (name in searched or any(one != Used() for one in other.used.values()))):
            return True
    return False


def _row(one: ProtocolParameter, space: Space, parameters: Mapping[str, Any]) -> Row:
    """A parameter with its present value, and with the limits of the campaign where it is searched."""
    declared = one.model_dump(mode="json")
    if one.name in space.names:
        searched = space.parameters[space.names.index(one.name)].model_dump(mode="json")
        limits = {key: searched[key] for key in ("low", "high", "values", "levels") if key in searched}
        declared |= {key: value for key, value in limits.items() if key in declared}
    narrowed = type(one).model_validate(declared)
    return {**declared, "allowed": narrowed.allowed, "value": parameters.get(one.name)}
