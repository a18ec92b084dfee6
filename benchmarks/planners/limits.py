"""Limits on the figures, and whether they are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.planners import campaigns, continuous, in_flight, pools, special
from benchmarks.planners.comparison import FIGURES, FLAG, Figure
from benchmarks.planners.figures import BUDGET, NOT_FOUND, ratio_of
from benchmarks.planners.functions import FUNCTIONS, HARTMANN6
from benchmarks.planners.peers import PEERS
from benchmarks.planners.pool_report import comparison
from benchmarks.planners.sets import DESIGN, FAMILIES, LIANG, Sets, set_of

CROSSED_ROWS = 600


@dataclass(frozen=True)
class Limit:
    """One limit, or a figure that has none.

    Args:
        words: what is measured.
        bound: what it may be; None for a figure that is only shown.
        figure: what it is; None if that was not run.
        at_least: whether the bound is the least, not the most.
        note: on what it stands.
    """

    words: str
    bound: float | None
    figure: float | None
    at_least: bool = False
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether it was measured and is beyond its bound."""
        if self.figure is None or self.bound is None:
            return False
        return self.figure < self.bound if self.at_least else self.figure > self.bound

    def __str__(self) -> str:
        if self.figure is None:
            state = "not run"
        elif self.bound is None:
            state = f"shown  {self.figure:.3f}"
        else:
            state = ("MISSED " if self.missed else "met    ") + f"{self.figure:.3f}"
        bound = "no limit" if self.bound is None else f"{'>=' if self.at_least else '<='} {self.bound:g}"
        return f"{state:<15}{self.words} ({bound}){self.note and '; ' + self.note}"


def of_pools(found: pools.Found, sets: Sets, ours: str) -> list[Limit]:
    """Limits on tables: on those of the design, so that what was reached there is not lost; on those of `confirm`.

    Nothing here looks at a sealed table.
    """
    figures = found.figures
    limits = []
    for figure, bounds in (
        ("nbest", {"skopt_ei": 0.80, "random": 0.62}),
        ("auc", {"skopt_ei": 0.75, "botorch_logei": 0.80}),
    ):
        for peer, bound in bounds.items():
            words = f"design: {figure} on the five tables of Liang / {peer}"
            value, note = _mean_ratio(figures, ours, peer, figure, LIANG)
            limits.append(Limit(words, bound, value, note=note))
    shares = list(pools.of(figures, ours, "share", ("Crossed_barrel",)).values())
    enhancement = float(np.mean(shares)) / (BUDGET / CROSSED_ROWS) if shares else None
    note = f"{len(shares)} runs"
    limits.append(Limit(f"design: Crossed barrel, enhancement over chance at {BUDGET}", 3.5, enhancement, True, note))
    backends = {}
    for peer in figures:
        whole = _mean_ratio(figures, ours, peer, "auc", DESIGN)[0]
        if peer not in (ours, "random", "sobol") and whole is not None and peer in PEERS:
            backends[peer] = whole
    best = max(backends, key=lambda peer: backends[peer], default=None)
    against = comparison(found, sets, ours, best, "design") if best is not None else None
    flagged = sorted({table for table, _ in against.flagged}) if against else []
    worse = float(len(flagged)) if against else None
    return [
        *limits,
        Limit(f"design: auc on all nine tables / best backend ({best})", 1.0, backends[best] if best else None),
        Limit(f"design: tables where clearly worse than it (above {FLAG:g})", 0, worse, note=", ".join(flagged)),
        *_of_confirm(found, sets, ours),
    ]


CONFIRM: tuple[tuple[str, Figure, float], ...] = (
    ("random", "nbest", 0.75),
    ("botorch_logei", "nbest", 1.1),
    ("botorch_logei", "auc", 1.3),
)
"""Peer, figure and the largest ratio on tables that had no part in the design: level with botorch is enough there."""


def _of_confirm(found: pools.Found, sets: Sets, ours: str) -> list[Limit]:
    limits = []
    for peer, figure, bound in CONFIRM:
        whole = comparison(found, sets, ours, peer, "confirm")
        words = f"confirm: {FIGURES[figure]} / {peer}"
        if whole is None or len(whole.tables) < sum(set_of(table) == "confirm" for table in FAMILIES):
            limits.append(Limit(words, bound, None, note="a table is missing"))
            continue
        value, low, high = whole.ratio[figure]
        note = f"90 % [{low:.3f}, {high:.3f}]; {whole.seeds[0]} seeds; {whole.verdict(figure)}"
        limits.append(Limit(words, bound, value, note=note))
    return limits


def _mean_ratio(
    found: pools.Results, ours: str, peer: str, figure: str, tables: Sequence[str]
) -> tuple[float | None, str]:
    """Mean over mean on the runs both have, if every table is among them, and its interval."""
    ratio = ratio_of(pools.of(found, ours, figure, tables), pools.of(found, peer, figure, tables))
    if ratio is None or set(ratio.cases) != set(tables):
        return None, "a table is missing"
    value, low, high = ratio.arithmetic
    return value, f"90 % [{low:.3f}, {high:.3f}]; {ratio.pairs} runs, not found = {NOT_FOUND}"


def of_functions(found: continuous.Regrets, ours: str) -> list[Limit]:
    """Limits on functions."""
    against = [continuous.ratio(found, ours, "botorch_logei", function.name) for function in FUNCTIONS]
    known = [value for value in against if value is not None]
    ahead = float(sum(value <= 1 for value in known)) if len(known) == len(FUNCTIONS) else None
    shares = continuous.found_optimum(found, ours, HARTMANN6)
    ratio = continuous.mean_ratio(found, ours, "skopt_ei", HARTMANN6)
    return [
        Limit(
            f"Hartmann6, share of runs with a regret below {continuous.FOUND:g}",
            None,
            shares[0] if shares else None,
            note=f"± {shares[1]:.2f}; {shares[2]} runs" if shares else "",
        ),
        Limit(
            "Hartmann6, mean regret / skopt_ei",
            None,
            ratio[0] if ratio else None,
            note=f"90 % [{ratio[1]:.3f}, {ratio[2]:.3f}]" if ratio else "",
        ),
        Limit("functions where the median regret is at most botorch_logei's", 3, ahead, at_least=True),
    ]


def of_special(found: special.Found, batch: Mapping[str, special.Batch], ours: str) -> list[Limit]:
    """Limits on failures, batches and categories."""
    mine, theirs = (special.median(found, "mixed", name, "regret") for name in (ours, "skopt_gp"))
    both = batch.get(ours)
    note = f"90 % [{both.ratio[1]:.2f}, {both.ratio[2]:.2f}]; {both.seeds} seeds" if both else ""
    return [
        Limit("Branin with holes, median failures in 34 asks", 4, special.median(found, "holes", ours, "failures")),
        Limit("Hartmann6, mean regret four at once / one at a time", None, both.ratio[0] if both else None, note=note),
        Limit("numbers and a category, median regret / skopt_gp", 0.3, _over(mine, theirs)),
        Limit(
            "share of the true hypervolume, median", 0.96, special.median(found, "pair", ours, "share"), at_least=True
        ),
    ]


def of_campaigns(found: Mapping[str, list[dict[str, Any]]]) -> list[Limit]:
    """Limits on whole campaigns."""
    designs = [line["designs"] for line in found.get("electrolyte", [])]
    warm = found.get("warm", [])
    means = (
        {kind: float(np.mean([line[kind] for line in warm])) for kind in ("cold", "shifted", "misleading")}
        if warm
        else {}
    )
    stop = campaigns.stop_ratio(found)
    return [
        Limit(
            "designs to within 1.5 % of the best conductivity, median",
            8,
            float(np.median(designs)) if designs else None,
        ),
        Limit("the same, most", 20, float(max(designs)) if designs else None),
        Limit(
            "experiments after a shifted earlier campaign / cold", 0.7, _over(means.get("shifted"), means.get("cold"))
        ),
        Limit("experiments after a misleading one / cold", 1.1, _over(means.get("misleading"), means.get("cold"))),
        Limit("experiments at the advice to stop / an oracle's", 1.3, stop[0] if stop else None),
        Limit("mean regret then, of a table's range", campaigns.ENOUGH, stop[1] if stop else None),
    ]


def of_in_flight(found: Mapping[int, Mapping[tuple[str, int], float]]) -> list[Limit]:
    """Limits on campaigns with several experiments in flight.

    In the reference lab `parallel: 4` comes to three in flight, as a fourth would only wait for the cell.
    """
    limits = []
    for flight, words, cases, bound in (
        (3, "three in flight, the electrolyte", ("electrolyte",), 1.25),
        (4, "four in flight, the electrolyte", ("electrolyte",), None),
        (4, "four in flight, geometric mean of all cases", (), 1.25),
    ):
        ratio = in_flight.against_one(found, flight, cases) if found else None
        value, low, high = ratio.geometric if ratio else (None, 0.0, 0.0)
        note = f"90 % [{low:.2f}, {high:.2f}]; {ratio.pairs} runs" if ratio else ""
        limits.append(Limit(f"experiments to the goal / one at a time, {words}", bound, value, note=note))
    return limits


def of_cpu(found: special.Found, ours: str) -> list[Limit]:
    """Limits on processor time."""
    limits = []
    for trials, peer, bound in ((200, "skopt_ei", 0.3), (1000, "skopt_ei", 0.1), (1000, "botorch_logei", 1.0)):
        mine, theirs = (special.median(found, f"cpu_{trials}", name, "cpu_s") for name in (ours, peer))
        limits.append(Limit(f"CPU of an ask after {trials} trials / {peer}", bound, _over(mine, theirs)))
    return limits


def _over(mine: float | None, theirs: float | None) -> float | None:
    return None if mine is None or theirs is None else mine / theirs
