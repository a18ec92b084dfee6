"""A planner for experiments carried out elsewhere: ask, tell, best, front, explain, on pandas frames with units.

>>> import labwright
>>> oven = labwright.optimise(
...     space=[{"type": "real", "name": "temperature", "unit": "degC", "low": 300, "high": 900}],
...     objectives={"name": "yield", "unit": "%", "goal": "max"},
... )
>>> trials = oven.ask(2)
>>> trials["yield / %"] = [61.0, 58.5]
>>> oven.tell(trials)
>>> oven.best()
"""

from __future__ import annotations

import difflib
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from labwright.model.campaign import (
    CampaignState,
    Explanation,
    FailKind,
    Outcome,
    Source,
    Trial,
)
from labwright.model.cells import is_empty, level_of, number_of
from labwright.model.errors import ConfigError, unknown
from labwright.model.figures import measured
from labwright.model.judging import counts, front
from labwright.model.names import collisions, column, key_of_head, sem_of
from labwright.model.parameters import same, truth_of
from labwright.model.space import Categorical, Integer, Params, ParamValue, Space
from labwright.model.spec import CampaignSpec, ProblemSpec
from labwright.model.words import what_is_wrong
from labwright.planners import load_planner
from labwright.planners.protocol import needs
from labwright.planners.registry import lacking

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Optimiser", "Why", "column", "from_file", "from_keys"]

ID = "trial"
FAILED = "failed"
KINDS: tuple[FailKind, ...] = ("infeasible", "equipment")
"""Why an experiment failed: what was asked cannot be made, or something broke; only the first teaches the planner."""

_NEARLY = 0.75  # similarity from which an unknown column is taken for a misspelt one, and not for notes


def from_keys(problem: Mapping[str, Any]) -> Optimiser:
    """An optimiser for a problem with the keys of its file; see `labwright.optimise`.

    Raises:
        ConfigError: something does not fit together; every mistake is listed.
    """
    try:
        spec = ProblemSpec.model_validate(problem)
    except ValidationError as error:
        raise ConfigError(f"the problem does not fit together: {what_is_wrong(error, _argument)}") from error
    if found := spec.collisions({}):
        told = "; ".join(f"{_argument(where)}: {words}" for where, words in found)
        raise ConfigError(f"the problem does not fit together: {told}")
    return _of(spec, Path.cwd())


def _argument(where: Sequence[int | str]) -> str:
    """A place in a problem as an argument of `labwright.optimise`: ``objectives[1].name``."""
    steps = [str(one) for one in where]
    if steps[:1] == ["objective"]:
        steps[:1] = ["objectives", "0"]
    elif steps[:1] == ["more_objectives"]:
        steps[:1] = ["objectives"]
        steps[1:2] = [str(int(one) + 1) for one in steps[1:2]]
    elif steps[:2] == ["space", "parameters"]:
        steps[:2] = ["space"]
    kinds = ("real", "integer", "ordinal", "categorical")
    steps = [one for place, one in enumerate(steps) if not (one in kinds and place == 2)]  # a tag of pydantic's
    return "".join(f"[{one}]" if one.isdigit() else f".{one}" for one in steps).removeprefix(".")


def from_file(path: str | Path) -> Optimiser:
    """An optimiser for the problem in a YAML file: one of its own, or a lab's campaign.

    Raises:
        MistakesError: every mistake in the file, with line and column.
        ConfigError: the planner does not do, or the campaign learns from others that only its lab knows.
    """
    from labwright.lab import YamlFile, validate
    from labwright.lab.folder import CONFIG

    # Made absolute, but links are left alone: a pool's path counts from where the file is found, as for a lab.
    file = Path(os.path.abspath(path))
    text = YamlFile(file, Path(path))
    if "protocol" not in text.data:
        return _of(validate(ProblemSpec, [text]), file.parent)
    spec = validate(CampaignSpec, [text])
    if spec.warm_start:
        raise ConfigError(
            f"{path}: warm_start names campaigns in the journal of a lab; run it there, or leave warm_start out"
        )
    in_lab = file.parent.name == "campaigns" and file.parent.parent.name == CONFIG
    return _of(spec, file.parents[2] if in_lab else file.parent)


def _of(spec: ProblemSpec, root: Path) -> Optimiser:
    from labwright.lab.pool import read_pool

    space = spec.space
    if space.pool is not None and not space.pool.rows:
        space = Space(parameters=space.parameters, constraints=space.constraints, pool=read_pool(root, space))
    return Optimiser(
        CampaignState(
            space=space,
            objective=spec.objective,
            more_objectives=spec.more_objectives,
            outcome_limits=spec.outcome_limits,
            cost=spec.cost,
            fidelity=spec.fidelity,
            seed=spec.seed,
            planner=spec.planner,
        )
    )


@dataclass(frozen=True)
class Why:
    """Why an experiment was chosen.

    Attributes:
        trial: its id.
        source: who chose it: planner, human or import.
        rationale: in words.
        predicted: what the planner expected of it then, where it had a model.
        measured: what came out, by outcome.
        unit: of the first objective, which is what was predicted.
    """

    trial: str
    source: Source
    rationale: str
    predicted: Outcome | None
    measured: Mapping[str, Outcome]
    unit: str

    def __str__(self) -> str:
        words = f"trial {self.trial} ({self.source}): {self.rationale or 'no reason recorded'}"
        if self.predicted is not None:
            words += f"; expected then {_pm(self.predicted)} {self.unit}"
        if self.measured:
            words += f"; measured {', '.join(f'{name} {_pm(one)}' for name, one in self.measured.items())}"
        return words


class Optimiser:
    """A problem, its experiments so far, and a planner; `labwright.optimise` makes it.

    Attributes:
        state: all there is to know, as plain data; a planner sees nothing else.
    """

    def __init__(self, state: CampaignState) -> None:
        self._planner = load_planner(state.planner)
        if short := lacking(self._planner, needs(state)):
            raise ConfigError(short)
        self.state = state
        self._parameters = dict(zip(state.space.names, state.space.parameters, strict=True))
        self._outcomes = {one.name: one.unit for one in state.objectives}
        self._outcomes |= {one.name: one.unit for one in state.outcome_limits if one.name not in self._outcomes}

    @classmethod
    def load(cls, path: str | Path) -> Optimiser:
        """An optimiser from the file that `save` wrote.

        Raises:
            ConfigError: the file cannot be read, or is none.
        """
        try:
            state = CampaignState.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except ValidationError as error:
            raise ConfigError(f"{path} is no state of an optimiser: {what_is_wrong(error)}") from error
        if found := collisions(state.space, state.objectives, state.outcome_limits, state.cost):
            told = "; ".join(f"{'.'.join(where)}: {words}" for where, words in found)
            raise ConfigError(f"{path} is of a version that allowed colliding names; rename them in it: {told}")
        return cls(state)

    def save(self, path: str | Path) -> None:
        """Write the state as JSON, whole or not at all."""
        place = Path(path)
        part = place.with_name(f"{place.name}.part")
        part.write_text(self.state.model_dump_json(indent=1), encoding="utf-8")
        part.replace(place)

    def ask(self, n: int = 1) -> pd.DataFrame:
        """The next `n` experiments: a row each, a column a parameter, the trial's id as index.

        They are pending until their results are reported with `tell`.

        Raises:
            ConfigError: `n` is not a whole number of at least 1.
            PlannerError: the space holds no further point.
        """
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise ConfigError(f"ask({n!r}): ask for a whole number of experiments, at least 1")
        asked = self._planner.ask(self.state, int(n))
        begun = [
            Trial(
                id=str(number),
                params=one.params,
                status="proposed",
                rationale=one.rationale,
                predicted=one.predicted,
                cost=self._cost(one.params),
            )
            for number, one in enumerate(asked, self._next)
        ]
        self.state = self.state.model_copy(update={"trials": (*self.state.trials, *begun)})
        rows = [self._cells(one.params) for one in begun]
        return _frame(rows, [one.id for one in begun])

    def tell(
        self, frame: pd.DataFrame, *, source: Literal["human", "import"] = "import", replace: bool = False
    ) -> None:
        """Record what was measured: all rows or, if anything in them is wrong, none.

        Rows whose index (or column) called ``trial`` has an id are experiments that were asked for. A parameter that
        came out otherwise than asked is recorded as what was really used. Other rows are your own experiments, with
        all parameters.

        Args:
            frame: columns as ``temperature / degC``, ``yield / %``, ``yield_sem / %``; ``failed`` says why an
                experiment has no outcome: ``infeasible`` (what was asked cannot be made) or ``equipment``. Others, such
                as notes, are ignored with a warning; one that is nearly called like one of these is refused.
            source: who chose the rows without an id.
            replace: correct what was reported before.

        Raises:
            ConfigError: every mistake in it.
        """
        import pandas as pd

        if not isinstance(frame, pd.DataFrame):
            raise ConfigError(
                f"tell needs a pandas DataFrame, not {type(frame).__name__}; for one row: DataFrame([row])"
            )
        columns, wrong, others = self._columns(frame)
        rows = list(_rows(frame, columns)) if not wrong else []
        old = {one.id: place for place, one in enumerate(self.state.trials)}
        trials, told, number = list(self.state.trials), set[str](), self._next
        for where, name, cells in rows:
            found = _Found(where)
            if name is None:
                trial = self._own(found, str(number), cells, source)
                number += 1
                place = len(trials)
            elif name in told:
                found.wrong.append("it is there twice")
                trial, place = None, 0
            elif name in old:
                place = old[name]
                trial = self._measured(found, trials[place], cells, replace=replace)
                told.add(name)
            else:
                found.wrong.append(f"{unknown('trial', name, list(old))}; leave the id out for your own experiment")
                trial, place = None, 0
            wrong += [f"{where}: {words}" for words in found.wrong]
            if trial is not None:
                trials[place : place + 1] = [trial]
        if wrong:
            raise ConfigError("\n".join(["nothing was recorded:", *(f"  {words}" for words in wrong)]))
        if others:
            warnings.warn(
                f"ignored, as they are no columns of this problem: {', '.join(map(repr, others))}", stacklevel=2
            )
        self.state = self.state.model_copy(update={"trials": tuple(trials)})

    def best(self) -> pd.DataFrame:
        """The best experiment by the planner's model, as one row; none before any result."""
        found = self._planner.best(self.state)
        if found is None:
            return self.table.iloc[:0]
        first = self.state.objective
        row = self.table.loc[[found.trial_id]].copy()
        row[column(f"{first.name}_expected", first.unit)] = found.predicted.mean
        row[column(sem_of(f"{first.name}_expected"), first.unit)] = found.predicted.sem
        return row

    def front(self) -> pd.DataFrame:
        """The Pareto front: the experiments that count and that no other beats in every objective."""
        counted = [one for one in self.state.trials if counts(one, self.state.outcome_limits, self.state.fidelity)]
        chosen = [one.id for one in front(self.state.objectives, counted)]
        return self.table.loc[chosen]

    def explain(self, trial: int | str) -> Why:
        """Why an experiment was chosen, and what was expected of it then.

        Raises:
            ConfigError: there is no such trial.
        """
        known = {one.id: one for one in self.state.trials}
        if str(trial) not in known:
            raise ConfigError(unknown("trial", str(trial), list(known)))
        one = known[str(trial)]
        return Why(one.id, one.source, one.rationale, one.predicted, one.outcomes, self.state.objective.unit)

    def learnt(self) -> Explanation:
        """What the planner has learnt: which parameters matter, and how good its leave-one-out predictions are.

        Raises:
            PlannerError: too little was measured yet, or this planner has no model.
        """
        return self._planner.explain(self.state)

    @property
    def table(self) -> pd.DataFrame:
        """All experiments: the parameters really used, the results, who chose them."""
        rows = []
        for one in self.state.trials:
            row: dict[str, Any] = self._cells(one.made)
            for name, unit in self._outcomes.items():
                found = one.outcomes.get(name)
                row[column(name, unit)] = found.mean if found else math.nan
                row[column(sem_of(name), unit)] = math.nan if found is None or found.sem is None else found.sem
            rows.append({**row, "status": one.status, FAILED: one.fail_kind or "", "source": one.source})
        return _frame(rows, [one.id for one in self.state.trials])

    def __repr__(self) -> str:
        done = sum(one.status == "done" for one in self.state.trials)
        goals = ", ".join(f"{one.goal} {column(one.name, one.unit)}" for one in self.state.objectives)
        return f"<{goals}: {done} of {len(self.state.trials)} experiments measured, planner {self.state.planner.name}>"

    @property
    def _next(self) -> int:
        return 1 + max((int(one.id) for one in self.state.trials if one.id.isdigit()), default=0)

    def _head(self, name: str) -> str:
        return column(name, getattr(self._parameters[name], "unit", ""))

    def _cells(self, params: Params) -> dict[str, Any]:
        return {self._head(name): truth_of(self._parameters[name], params[name]) for name in self._parameters}

    def _cost(self, params: Params) -> float | None:
        return None if self.state.cost is None else self.state.cost.of(params)

    def _columns(self, frame: pd.DataFrame) -> tuple[dict[str, str], list[str], list[str]]:
        """What each column is, by its head; what is wrong with them; those that are not the problem's."""
        known = {self._head(name): name for name in self._parameters}
        for name, unit in self._outcomes.items():
            known |= {column(name, unit): f"={name}", column(sem_of(name), unit): f"±{name}"}
        if self.state.cost is not None:
            known[column("cost", self.state.cost.unit)] = "cost"
        known |= {FAILED: FAILED, ID: ID}
        heads = [str(one) for one in frame.columns]
        if len(heads) == 1 and heads[0] not in known and (words := _unseparated(heads[0])):
            return {}, [words], []
        wrong = [f"column {head!r} is there twice" for head in dict.fromkeys(heads) if heads.count(head) > 1]
        others = []
        for head in heads:
            if head not in known and head not in self._shown_only:
                words = _misspelt(head, list(known))
                wrong += [words] if words else []
                others += [] if words else [head]
        return {head: known[head] for head in heads if head in known}, wrong, others

    @property
    def _shown_only(self) -> set[str]:
        """Columns of `table` and `best` with nothing new for `tell`."""
        first = self.state.objective
        expected = f"{first.name}_expected"
        return {"status", "source", column(expected, first.unit), column(sem_of(expected), first.unit)}

    def _own(self, found: _Found, name: str, cells: Mapping[str, Any], source: Source) -> Trial | None:
        """An experiment that was not asked for."""
        params = {key: self._value(found, key, cells[key]) for key in self._parameters if key in cells}
        if missing := [self._head(key) for key in self._parameters if params.get(key) is None and not found.wrong]:
            found.wrong.append(f"{', '.join(missing)} is missing; an experiment of your own needs all parameters")
        given: Params = {key: value for key, value in params.items() if value is not None}
        if not found.wrong:
            for one in self.state.trials:
                if one.pending and all(same(self._parameters[key], one.params[key], given[key]) for key in given):
                    found.wrong.append(
                        f"these are the parameters of trial {one.id}, which is pending; give its id in an index or "
                        f"column called {ID!r}"
                    )
        return self._ended(found, {"id": name, "params": given, "source": source}, cells)

    def _measured(self, found: _Found, trial: Trial, cells: Mapping[str, Any], *, replace: bool) -> Trial | None:
        """An experiment that was asked for, as it came out."""
        made = {}
        for key in self._parameters:
            value = self._value(found, key, cells[key]) if key in cells else None
            if value is None or same(self._parameters[key], value, trial.params[key]):
                continue
            if isinstance(value, str):
                found.wrong.append(f"{key} was asked as {trial.params[key]!r}, not {value!r}; report it without an id")
            else:
                made[key] = float(value)
        before = trial.model_dump(exclude={"outcomes", "fail_kind", "status", "measured_params"})
        told = self._ended(found, {**before, "measured_params": made or None}, cells)
        if told is None or told == trial:
            return told
        if not trial.pending and not replace:
            found.wrong.append(f"it is {trial.status} already, with another result; to correct it, use replace=True")
        return told

    def _ended(self, found: _Found, fields: dict[str, Any], cells: Mapping[str, Any]) -> Trial | None:
        """A trial that is done, or failed because of what `failed` says."""
        outcomes = {}
        for name, unit in self._outcomes.items():
            mean, sem = (_number(found, column(head, unit), cells.get(key)) for head, key in _pair(name))
            if mean is not None:
                outcomes[name] = {"mean": mean, "sem": sem}
        cost = _number(found, "cost", cells.get("cost"))
        if cost is None:
            cost = (
                fields.get("cost") if "cost" in fields else (self._cost(fields["params"]) if not found.wrong else None)
            )
        failed = None if is_empty(cells.get(FAILED)) else str(cells[FAILED]).strip()
        if failed is not None and failed not in KINDS:
            found.wrong.append(f"{FAILED}: {unknown('reason', failed, list(KINDS))}")
        elif failed is not None and outcomes:
            found.wrong.append(f"it failed ({failed}) and still has {', '.join(outcomes)}; leave one of the two out")
        elif failed is None and (
            missing := [
                head
                for name, unit in self._outcomes.items()
                if is_empty(cells.get(f"={name}")) and (head := column(name, unit))
            ]
        ):
            found.wrong.append(
                f"{', '.join(missing)} is empty; without a result, column {FAILED!r} must be {KINDS[0]!r} "
                f"(the sample cannot be prepared) or {KINDS[1]!r} (something broke)"
            )
        if found.wrong:
            return None
        ended = {"status": "failed", "fail_kind": failed} if failed else {"status": "done", "outcomes": outcomes}
        try:
            return Trial.model_validate({**fields, **ended, "cost": cost})
        except ValidationError as error:
            found.wrong.append(what_is_wrong(error))
            return None

    def _value(self, found: _Found, name: str, cell: Any) -> ParamValue | None:
        """A cell as a value of a parameter; None if it is empty."""
        parameter = self._parameters[name]
        if isinstance(parameter, Categorical):
            try:
                return level_of(parameter.levels, cell)
            except ConfigError as error:
                found.wrong.append(f"{name}: {error}")
                return None
        value = _number(found, self._head(name), cell)
        return int(value) if value is not None and isinstance(parameter, Integer) and value.is_integer() else value


@dataclass
class _Found:
    """What is wrong with a row."""

    where: str

    def __post_init__(self) -> None:
        self.wrong: list[str] = []


def _unseparated(head: str) -> str:
    """What is wrong with the only column of a table whose file has another separator than it was read with."""
    for mark in (";", "\t", "|", ","):
        if mark in head:
            return (
                f"the table has only one column, {head!r}; if its file has {mark!r} between the columns, read it with "
                f"pandas.read_csv(path, sep={mark!r})"
            )
    return ""


def _rows(frame: pd.DataFrame, columns: Mapping[str, str]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Each row: what to call it, its trial's id if it has one, and its cells by what they are."""
    named = ID in columns.values() or frame.index.name == ID
    for number, (label, values) in enumerate(
        zip(frame.index, frame.itertuples(index=False, name=None), strict=True), 1
    ):
        named_cells = zip(map(str, frame.columns), values, strict=True)
        cells = {columns[head]: value for head, value in named_cells if head in columns}
        name = _id(cells.get(ID, label)) if named else None
        yield (f"row {number}" if name is None else f"trial {name}"), name, cells


def _id(cell: Any) -> str | None:
    if is_empty(cell):
        return None
    if isinstance(cell, float) and cell.is_integer():  # a column of numbers with a gap becomes one of floats
        return str(int(cell))
    return str(cell).strip() or None


def _number(found: _Found, head: str, cell: Any) -> float | None:
    if is_empty(cell):
        return None
    try:
        return number_of(cell)
    except ConfigError as error:
        found.wrong.append(f"{head}: {error}")
        return None


def _misspelt(head: str, known: Sequence[str]) -> str:
    """Which column was meant by a head that is nearly one of them, in words; empty if none is near."""
    key, name = key_of_head(head), key_of_head(re.split(r"[/\[(]", head)[0])
    for right in known:
        if key == key_of_head(right):
            return f"column {head!r}: write it as {right!r}"
    for right in known:
        if name == key_of_head(right.partition(" / ")[0]):
            return f"column {head!r}: expected column {right!r}; convert the values to that unit"
    near = difflib.get_close_matches(head, [one for one in known if one not in (ID, FAILED)], n=1, cutoff=_NEARLY)
    return unknown("column", head, known) if near else ""


def _pair(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (name, f"={name}"), (sem_of(name), f"±{name}")


def _frame(rows: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), index=pd.Index(list(ids), name=ID, dtype=object))


def _pm(one: Outcome) -> str:
    return measured(one.mean, one.sem)
