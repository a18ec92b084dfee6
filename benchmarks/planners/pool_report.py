"""What is printed of the tables: each set apart, with how much of a difference is chance beside every ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.planners.comparison import FIGURES, FLAG, Comparison, compare
from benchmarks.planners.pools import WHOLE, Found, of
from benchmarks.planners.sets import WORDS, SetName, Sets

CHANCE = "random"


def report(found: Found, sets: Sets, ours: Sequence[str]) -> None:
    """Every set by itself, then CPU and what was left out."""
    for name in WORDS:
        if sets.names(name):
            _report_set(found, sets, name, ours)
    if sets.names("related") and sets.names("confirm"):
        print("\n== related and confirm together: all tables named in the project that the design did not use ==")
        _report_ratios(found, sets, ours, "related", "confirm")
    print("\nall tables: n1 and n5 (experiments to the first of the best 1 %, 5 %), CPU seconds of an ask")
    for planner in found.figures:
        n1, n5 = (np.mean(list(of(found.figures, planner, one).values())) for one in ("n1", "n5"))
        print(f"{planner:<16}{n1:>8.1f}{n5:>8.1f}{found.cpu[planner]:>9.3f}")
    shares = {planner: list(of(found.figures, planner, "share", WHOLE).values()) for planner in found.figures}
    if any(shares.values()):
        print(f"\n{', '.join(WHOLE)}: share of the best 5 % found")
        for planner, values in shares.items():
            if values:
                print(f"{planner:<16}{np.mean(values):>8.3f}  ({len(values)} runs)")
    for line in (*sets.left_out, *found.notes):
        print(f"note: {line}")


def _report_set(found: Found, sets: Sets, name: SetName, ours: Sequence[str]) -> None:
    tables = sets.names(name)
    families = len({sets.family_of[table] for table in tables})
    print(f"\n== {name}: {WORDS[name]} ({len(tables)} tables, {families} families) ==")
    chance = {table: _mean_of(found, CHANCE, "auc", table) for table in tables}
    for figure, words in (("nbest", FIGURES["nbest"]), ("auc", "regret over random's")):
        print(f"\n{words}; mean of the seeds each has, * the least of a table")
        print(f"{'planner':<16}" + "".join(f"{table[:13]:>14}" for table in tables) + f"{'runs':>6}")
        values: dict[str, dict[str, float]] = {}
        for planner in found.figures:
            values[planner] = {}
            for table in tables:
                value, scale = _mean_of(found, planner, figure, table), chance[table]
                if figure == "auc":
                    value = value / scale if value is not None and scale else None
                if value is not None:
                    values[planner][table] = value
        least = {table: min((row[table] for row in values.values() if table in row), default=None) for table in tables}
        for planner, row in values.items():
            if row:
                cells = "".join(_cell(row.get(table), least[table], figure) for table in tables)
                print(f"{planner:<16}{cells}{len(of(found.figures, planner, figure, tables)):>6}")
    _report_ratios(found, sets, ours, name)


def comparison(found: Found, sets: Sets, label: str, planner: str, *names: SetName) -> Comparison | None:
    """Ours over a peer on all tables of some sets."""
    family_of = {table: sets.family_of[table] for table in sets.names(*names)}
    peer, chance = found.figures.get(planner, {}), found.figures.get(CHANCE, {})
    return compare(found.reruns[label], peer, chance, family_of) if label in found.reruns else None


def _report_ratios(found: Found, sets: Sets, ours: Sequence[str], *names: SetName) -> None:
    for label in ours:
        for planner in found.figures:
            if planner != label and label in found.reruns:
                _report_ratio(label, planner, comparison(found, sets, label, planner, *names))


def _report_ratio(label: str, planner: str, whole: Comparison | None) -> None:
    if whole is None:
        print(f"\n{label} / {planner}: no run of a table that both and {CHANCE} have")
        return
    few, many = whole.seeds
    seeds = f"{few} seeds" if few == many else f"{few} to {many} seeds"
    of_what = f"{len(whole.tables)} tables, {whole.families} families, {seeds}"
    print(f"\n{label} / {planner}: {of_what}; 90 % intervals; reruns of {label}")
    for figure, words in FIGURES.items():
        value, low, high = whole.ratio[figure]
        reruns = whole.reruns.get(figure, ())
        spread = f"{min(reruns):.2f} to {max(reruns):.2f}" if reruns else "not run"
        print(f"  {words:<29}{value:>6.2f} [{low:.2f}, {high:.2f}]  reruns {spread:<14}{whole.verdict(figure)}")
    for figure in ("nbest", "auc"):
        each = "  ".join(f"{table} {figures[figure][0]:.2f}" for table, figures in whole.tables.items())
        print(f"  {figure} by table: {each}")
    for table, figure in whole.flagged:
        value, low, high = whole.tables[table][figure]
        print(f"  FLAG {table}: {figure} {value:.2f} [{low:.2f}, {high:.2f}], above {FLAG:g} and its interval above 1")


def _mean_of(found: Found, planner: str, figure: str, table: str) -> float | None:
    values = list(of(found.figures, planner, figure, (table,)).values())
    return float(np.mean(values)) if values else None


def _cell(value: float | None, least: float | None, figure: str) -> str:
    if value is None:
        return f"{'-':>14}"
    text = f"{value:.1f}" if figure == "nbest" else f"{value:.3f}"
    return f"{text + ('*' if value == least else ' '):>14}"
