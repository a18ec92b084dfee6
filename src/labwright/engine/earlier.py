"""Earlier campaigns that a new one learns from, out of the journal and brought into its form."""

from __future__ import annotations

from labwright.engine.recovery import rebuilt
from labwright.journal import Journal, schema
from labwright.model.campaign import Earlier, Trial
from labwright.model.errors import ConfigError, unknown
from labwright.model.parameters import flag_level
from labwright.model.remarks import AS_MEASURED
from labwright.model.space import Categorical, Params
from labwright.model.spec import CampaignSpec, WarmStart, warm_start_name

NAMED = 5
"""Names that are listed where a wrong one was given; the journal may hold hundreds."""


def earlier_campaigns(
    journal: Journal, spec: CampaignSpec, *, simulated: bool = False
) -> tuple[tuple[Earlier, ...], dict[int, str]]:
    """What a campaign learns from, and what is wrong with its `warm_start`, by place in that list.

    Args:
        journal: that keeps the earlier campaigns.
        spec: of the new one.
        simulated: whether the new one runs on simulated instruments; it learns from the other kind only where its file
            says so.
    """
    found: list[Earlier] = []
    wrong: dict[int, str] = {}
    for index, entry in enumerate(spec.warm_start):
        try:
            one = _earlier(journal, spec, entry, simulated=simulated)
            if any(one.name == other.name for other in found):
                raise ConfigError(f"{one.name} stands there already")
            found.append(one)
        except ConfigError as error:
            wrong[index] = str(error)
    return tuple(found), wrong


def learnt_from(
    journal: Journal, spec: CampaignSpec, known: tuple[Earlier, ...] | None, *, simulated: bool
) -> tuple[Earlier, ...]:
    """What a campaign learns from when it starts.

    Args:
        journal: that keeps the earlier campaigns.
        spec: of the new one.
        known: what was found when the campaign was loaded; None if the journal was not looked into then.
        simulated: whether it runs on simulated instruments.

    Raises:
        ConfigError: the journal does not hold them, or they are of the other kind and the file does not say so.
    """
    if known is None:
        known, problems = earlier_campaigns(journal, spec, simulated=simulated)
        if problems:
            words = "; ".join(f"warm_start.{index}: {problem}" for index, problem in problems.items())
            raise ConfigError(f"campaign {spec.name}: {words}")
    for entry, one in zip(spec.warm_start, known, strict=False):
        if isinstance(entry, str) and one.simulated is not None and one.simulated != simulated:
            raise ConfigError(
                f"campaign {spec.name} was loaded to learn from {one.name}, on {kind_words(one.simulated)}, but it "
                f"runs on {kind_words(simulated)}; load it for these (load_campaign, simulated)"
            )
    return known


def kind_words(simulated: bool | None) -> str:
    """On which kind of instruments something was made, for a person."""
    return "instruments that are not recorded" if simulated is None else f"{_KINDS[simulated]} instruments"


_KINDS = {True: "SIMULATED", False: "real"}


def _earlier(journal: Journal, spec: CampaignSpec, entry: str | WarmStart, *, simulated: bool) -> Earlier:
    """The experiments of an earlier campaign, with the parameters and outcomes of a new one.

    Raises:
        ConfigError: there is none, it measured nothing, or it cannot be understood in the new one's terms.
    """
    name = warm_start_name(entry)
    kind = simulated if isinstance(entry, str) else entry.simulated
    table = schema.campaign
    rows = journal.rows(table, (table.c.id == name) | (table.c.name == name))
    if not rows:
        known = journal.rows(table)
        names = [*dict.fromkeys(row["name"] for row in known), *(row["id"] for row in known[-NAMED:])]
        raise ConfigError(
            f"{unknown('campaign', name, names)} in {journal.name}; only one that was run can be learnt from"
        )
    alike = [str(row["id"]) for row in rows if bool(row["simulated"]) == kind]
    if not alike and isinstance(entry, str):
        raise ConfigError(
            f"{name} was carried out on {kind_words(not kind)} only, and this campaign is for {kind_words(kind)}: the "
            f"ones say nothing about the others. To learn from it all the same, write "
            f"{{campaign: {name}, simulated: {str(not kind).lower()}}}"
        )
    if not alike:
        raise ConfigError(f"{name} was never carried out on {kind_words(kind)}, only on {kind_words(not kind)}")
    campaign = next(one for one in reversed(journal.campaigns()) if one in alike)
    core = rebuilt(journal, campaign)
    if problems := _misfits(spec, core.spec):
        raise ConfigError(f"{campaign} cannot be learnt from: {'; '.join(problems)}")
    trials = [_fitting(spec, core.spec, trial) for trial in core.trials if _teaches(spec, core.spec, trial)]
    if not any(trial.status == "done" for trial in trials):
        wanted = ", ".join(spec.outcomes)
        raise ConfigError(
            f"{campaign} cannot be learnt from: none of its {len(core.trials)} experiments found {wanted}"
        )
    return Earlier(name=campaign, trials=tuple(trials), simulated=kind)


def _misfits(spec: CampaignSpec, old: CampaignSpec) -> list[str]:
    """Why an earlier campaign cannot be read in the terms of a new one."""
    problems = []
    theirs = {one.name: one for one in old.space.parameters}
    for one in spec.space.parameters:
        if one.name in theirs:
            there, here = (getattr(each, "unit", "") for each in (theirs[one.name], one))
            if isinstance(theirs[one.name], Categorical) != isinstance(one, Categorical):
                problems.append(f"{one.name} has levels in one of the two, and numbers in the other")
            elif there != here:
                problems.append(f"{one.name} was in {there!r}, now it is in {here!r}")
        elif one.name not in old.fixed:
            problems.append(f"{one.name} was neither searched nor fixed")
    for name in theirs:
        if name not in spec.space.names and name not in spec.fixed:
            problems.append(f"it searched {name}, which this campaign does not know")
    units = {**old.outcomes}
    for name, unit in spec.outcomes.items():
        if name not in units:
            problems.append(f"it did not ask for {name} (it asked for {', '.join(units)})")
        elif units[name] != unit:
            problems.append(f"{name} was in {units[name]!r}, now it is in {unit!r}")
    return problems


def _teaches(spec: CampaignSpec, old: CampaignSpec, trial: Trial) -> bool:
    """Whether an earlier experiment says something, and was made as this campaign makes its own."""
    if trial.use != AS_MEASURED:
        return False
    given = _given(old, trial)
    for one in spec.space.parameters:  # a level that is not searched now has no place in the space
        value = given[one.name]
        if value not in one.levels if isinstance(one, Categorical) else isinstance(value, str):
            return False
    if any(name in trial.params and trial.params[name] != flag_level(value) for name, value in spec.fixed.items()):
        return False
    return trial.status == "done" or trial.fail_kind == "infeasible"


def _given(old: CampaignSpec, trial: Trial) -> Params:
    """All parameters of an earlier experiment, the fixed ones included."""
    return {**{name: flag_level(value) for name, value in old.fixed.items()}, **trial.params}


def _fitting(spec: CampaignSpec, old: CampaignSpec, trial: Trial) -> Trial:
    given = _given(old, trial)
    measured = {name: value for name, value in (trial.measured_params or {}).items() if name in spec.space.names}
    update = {"params": {name: given[name] for name in spec.space.names}, "measured_params": measured or None}
    return trial.model_copy(update=update)
