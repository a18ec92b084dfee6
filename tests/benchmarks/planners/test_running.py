"""Runs are the same for everyone, kept, taken up again, and end with the limits."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planners import continuous, special
from benchmarks.planners.__main__ import main
from benchmarks.planners.askers import ASKERS
from benchmarks.planners.continuous import minimise, start_points
from benchmarks.planners.figures import BUDGET, START
from benchmarks.planners.functions import FUNCTIONS, HARTMANN6, Function, ackley, branin, hartmann6, levy
from benchmarks.planners.libraries import MissingLibraryError, library
from benchmarks.planners.limits import Limit, of_special
from benchmarks.planners.ours import Ours, code_of
from benchmarks.planners.peers import PEERS
from benchmarks.planners.pools import protocol_of, run, start_rows, with_reruns
from benchmarks.planners.records import Records
from benchmarks.planners.tables import Table, read_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"{a},{b},{(a - 3) ** 2 + (b - 5) ** 2}" for a in range(8) for b in range(8)]
    (tmp_path / "pvlab_AgNP.csv").write_text("a,b,loss\n" + "\n".join(lines))
    return tmp_path


@pytest.fixture
def table(folder: Path) -> Table:
    return read_table(folder / "pvlab_AgNP.csv")


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_a_planner_tries_a_row_once_and_ends_with_the_best(table: Table, name: str) -> None:
    for seed in range(5):
        rows = run(table, seed, PEERS[name].make(table, seed))["rows"]
        assert rows[:START] == start_rows(table, seed)
        assert len(set(rows)) == len(rows) <= BUDGET
        assert len(rows) == BUDGET or table.losses[rows[-1]] == 0


def test_a_row_chosen_again_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="chosen again"):
        run(table, 0, lambda told, _: told[0])


def test_ours_chooses_a_row_nobody_told_it_and_its_version_follows_its_options(table: Table) -> None:
    ours = Ours({"n_candidates": 64})
    told = tuple(start_rows(table, 0))
    assert ours.pool(table, 0)(told, table.losses[list(told)]) not in told
    assert ours.version == Ours({"n_candidates": 64}).version != Ours().version


def test_what_is_kept_is_not_run_again_and_a_cut_line_is(tmp_path: Path) -> None:
    records = Records(tmp_path, "pools", "one")
    records.add("v1", "p", "table", 0, rows=[1])
    with records.file.open("a") as file:
        file.write('{"bench": "po')
    again = Records(tmp_path, "pools", "one")
    assert again.find("v1", "p", "table", 0)
    assert not again.find("v2", "p", "table", 0)
    again.add("v2", "p", "table", 1, rows=[2])
    read = Records(tmp_path, "pools", "one")
    assert read.latest({"table": "p"}) == {("table", 1): read.find("v2", "p", "table", 1)}
    assert set(read.latest({"table": "p"}, "v1")) == {("table", 0)}
    assert not read.latest({"table": "another"})


def test_the_command_runs_keeps_and_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["pools", "--tables", str(folder), "--out", str(folder), "--seeds", "2", "--planners", "random,sobol"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "random AgNP seed 1: nbest" in first
    assert "not run        design: nbest on the five tables of Liang / skopt_ei (<= 0.8)" in first
    assert main(arguments) == 0
    assert "seed 1: nbest" not in capsys.readouterr().out
    assert main([*arguments[:-1], "none"]) == 0


def test_an_unknown_planner_is_named(folder: Path) -> None:
    with pytest.raises(SystemExit, match="no randon"):
        main(["pools", "--tables", str(folder), "--planners", "randon"])


def test_a_missing_library_comes_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingLibraryError, match="pip install optuna"):
        library("optuna")
    with pytest.raises(MissingLibraryError, match=r"pip install torch .* && pip install botorch"):
        library("torch")


def test_libraries_that_are_loaded_later_have_one_thread_too() -> None:
    # A process of its own: here they are loaded already.
    code = (
        "from benchmarks.planners.libraries import library, one_thread\n"
        "from threadpoolctl import threadpool_info\n"
        "with one_thread():\n"
        "    library('sklearn.cluster')\n"
        "    print(sorted({one['num_threads'] for one in threadpool_info()}))\n"
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert printed.stdout.strip() == "[1]"


def test_functions_have_their_optima() -> None:
    best = np.array([0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573])
    assert hartmann6(best) == pytest.approx(HARTMANN6.least, abs=1e-4)
    assert branin(np.array([0.5427728, 0.1516667])) == pytest.approx(FUNCTIONS[0].least, abs=1e-5)
    assert levy(np.full(4, 0.55)) == pytest.approx(0)
    assert ackley(np.full(6, 1 / 3)) == pytest.approx(0)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.name)
def test_a_run_on_a_function_is_the_same_twice(function: Function) -> None:
    once, twice = (minimise(function, 3, ASKERS["random"].make(function.dimensions, 3, False)) for _ in range(2))
    assert once["regret"] == twice["regret"] >= 0
    assert start_points(function, 3).shape == (function.start, function.dimensions)
    assert (start_points(function, 3) != start_points(function, 4)).any()


def test_a_quarter_of_the_square_fails_and_one_optimum_is_left() -> None:
    points = np.random.default_rng(0).random((4000, 2))
    assert 0.22 < np.mean([special.fails(point) for point in points]) < 0.30
    optima = [(0.1239, 0.8183), (0.5428, 0.1517), (0.9617, 0.165)]
    assert [special.fails(np.array(one)) for one in optima] == [True, True, False]


def test_the_mixed_optimum_is_branins_own() -> None:
    at = {"x0": (np.pi - 2 + 5) / 15, "x1": (2.275 - 1) / 15, "material": "B"}
    assert special.mixed_at(at) == pytest.approx(FUNCTIONS[0].least, abs=1e-4)


def test_a_limit_says_whether_it_is_kept() -> None:
    assert not Limit("a", 0.8, 0.8).missed
    assert Limit("a", 0.8, 0.81).missed
    assert Limit("a", 3.5, 3.4, at_least=True).missed
    assert not Limit("a", 0.8, None).missed
    assert str(Limit("speed", 0.8, 0.9, note="2 runs")) == "MISSED 0.900   speed (<= 0.8); 2 runs"
    assert not Limit("speed", None, 9.0).missed
    assert str(Limit("speed", None, 9.0)) == "shown  9.000   speed (no limit)"


def test_a_rerun_has_the_same_start_and_another_campaign_seed(table: Table) -> None:
    ours = Ours({"n_candidates": 64})
    named = with_reruns({"ours": ours}, 3)
    assert list(named) == ["ours", "ours.rerun1", "ours.rerun2"]
    assert len({one.version for one in named.values()}) == 3
    assert named["ours"].version == ours.version
    seeds = [one.campaign_seed(4) for one in named.values()]
    assert seeds[0] == 4
    assert len(set(seeds)) == 3


def test_the_version_of_ours_follows_its_code_and_not_its_comments() -> None:
    code = 'def one(x: int) -> int:\n    """Text."""\n    return x + 1\n'
    assert code_of(code) == code_of("# why\n" + code.replace('"""Text."""', '"""Other\n    text."""\n'))
    assert code_of(code) != code_of(code.replace("+ 1", "+ 2"))
    assert code_of('X = 1\n"""Doc."""\n') == code_of("X = 1\n")
    assert code_of('X = "a"\n') != code_of('X = "b"\n')


def test_runs_of_ours_under_another_source_are_counted_out_in_words(
    folder: Path, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    records = Records(folder, "pools", "ours")
    records.add("older", protocol_of(table), "AgNP", 0, rows=list(range(BUDGET)), cpu_s=[0.1])
    arguments = ["pools", "--tables", str(folder), "--out", str(folder), "--planners", "none"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "note: ours: 1 runs of other options or another source of the planner are not counted" in printed
    for name, planner in with_reruns({"ours": Ours()}, 3).items():
        for other in ("random", name):
            version = planner.version if other == name else PEERS[other].version
            rows = start_rows(table, 0) + [row for row in range(64) if row not in start_rows(table, 0)][:45]
            Records(folder, "pools", other).add(version, protocol_of(table), "AgNP", 0, rows=rows, cpu_s=[0.1])
    assert main(arguments) in (0, 1)
    printed = capsys.readouterr().out
    assert "ours / random: 1 tables, 1 families, 1 seeds; 90 % intervals; reruns of ours" in printed
    assert "experiments to the best row    1.00 [1.00, 1.00]  reruns 1.00 to 1.00  level" in printed


def test_batches_are_compared_by_their_means(tmp_path: Path) -> None:
    ours = Ours()
    for batch, regrets in ((1, (0.01, 0.01, 0.28)), (special.BATCH, (0.1, 0.1, 0.4))):
        for seed, regret in enumerate(regrets):
            protocol = continuous.protocol_of(special.SEQUENTIAL, batch)
            line = {"regret": regret, "cpu_s": [0.1]}
            Records(tmp_path, "batch", "ours").add(ours.version, protocol, special.SEQUENTIAL.name, seed, **line)
    both = special.batches({"ours": ours}, tmp_path)["ours"]
    assert both.single == pytest.approx((0.1, 0.01, 2 / 3))
    assert both.four == pytest.approx((0.2, 0.1, 0.0))
    assert both.ratio[0] == pytest.approx(2)
    assert both.seeds == 3
    (limit,) = [one for one in of_special({}, {"ours": both}, "ours") if "four at once" in one.words]
    assert not limit.missed
    assert limit.bound is None
