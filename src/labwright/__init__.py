"""Labwright runs a smart laboratory by itself.

>>> import labwright
>>> with labwright.open("mylab", simulated=True) as lab:
...     result = lab.campaign("first", budget=3).run()
...     result.table
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labwright._version import __version__

if TYPE_CHECKING:
    from labwright.model.campaign import Cost, Fidelity, Objective, OutcomeLimit
    from labwright.model.space import Parameter, Space
    from labwright.notebook import OpenLab, ServedLab
    from labwright.optimiser import Optimiser

__all__ = ["__version__", "connect", "load", "open", "optimise"]


def open(
    folder: str | Path,
    *,
    simulated: bool = False,
    endpoints: str | Path | None = None,
    data: str | Path | None = None,
    seed: int = 0,
) -> OpenLab:
    """Open the lab in `folder`: its ports are taken, its devices answer, nothing moves.

    Args:
        folder: with `lab_config`, `devices`, `protocols` and `simulators` in it.
        simulated: on the lab's simulated instruments, in this process, on the stepped clock.
        endpoints: the file `labwright simulate` writes: on simulated instruments in another process.
        data: folder of journal, runs and reports; `folder/var` if None.
        seed: of the simulated world.

    Raises:
        MistakesError: every mistake in the lab's files.
        UnreachableError: every device that does not answer.
    """
    from labwright.notebook import OpenLab

    return OpenLab(folder, simulated=simulated, endpoints=endpoints, data=data, seed=seed)


def connect(lab: str | Path | None = None, *, data: str | Path | None = None, journal: str = "") -> ServedLab:
    """The lab whose controller another process runs (`labwright serve`): its state, its campaigns, commands to it.

    Args:
        lab: the lab's folder; that of the current folder if None.
        data: folder of journal, runs and reports; `lab/var` if None.
        journal: URL of the journal, where it is not in `data`.
    """
    from labwright.notebook import ServedLab

    return ServedLab(lab, data, journal)


def optimise(
    file: str | Path | None = None,
    *,
    space: Space | Mapping[str, Any] | Sequence[Parameter | Mapping[str, Any]] | None = None,
    objectives: Objective | Mapping[str, Any] | Sequence[Objective | Mapping[str, Any]] | None = None,
    outcome_limits: Sequence[OutcomeLimit | Mapping[str, Any]] = (),
    cost: Cost | Mapping[str, Any] | None = None,
    fidelity: Fidelity | Mapping[str, Any] | None = None,
    planner: str = "gp",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Optimiser:
    """Plan experiments that are carried out elsewhere: ``ask``, ``tell``, ``best``, ``front``, ``explain``.

    Args:
        file: a YAML file with the rest of these as keys (``objective`` and ``more_objectives`` for the objectives), or
            a lab's campaign; give this or the rest.
        space: parameters, or a whole space with constraints; as objects, or as they stand in YAML.
        objectives: one or several; where a single number is shown, it is of the first.
        outcome_limits: limits that an experiment must keep to count.
        cost: what an experiment costs, known beforehand.
        fidelity: a parameter that only sets how precise an experiment is.
        planner: by name.
        options: of the planner.
        seed: of everything random in planning.

    Raises:
        MistakesError: every mistake in the file.
        ConfigError: something does not fit together, or the planner cannot be used for it.
    """
    from labwright import optimiser
    from labwright.model.errors import ConfigError

    if file is not None and space is None and objectives is None:
        return optimiser.from_file(file)
    if file is not None or space is None or objectives is None:
        raise ConfigError("give a file, or space and objectives")
    several: list[Any] = list(objectives) if isinstance(objectives, Sequence) else [objectives]
    if not several:
        raise ConfigError("objectives is empty: give at least one")
    return optimiser.from_keys(
        {
            "space": {"parameters": space} if isinstance(space, Sequence) else space,
            "objective": several[0],
            "more_objectives": several[1:],
            "outcome_limits": outcome_limits,
            "cost": cost,
            "fidelity": fidelity,
            "planner": {"name": planner, "options": dict(options or {})},
            "seed": seed,
        }
    )


def load(path: str | Path) -> Optimiser:
    """Continue with experiments that ``optimise(...).save(path)`` has written.

    Raises:
        ConfigError: the file cannot be read, or is none.
    """
    from labwright.optimiser import Optimiser

    return Optimiser.load(path)
