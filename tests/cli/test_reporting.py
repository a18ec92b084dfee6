"""Each campaign has a report of its own, and the rows of a campaign have the digits that count."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labwright.cli.progress import Progress
from labwright.cli.reporting import write_report
from labwright.cli.words import quoted
from labwright.engine import LabCore
from labwright.engine.events import Ask, RunStep, Started
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, journal_file
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested

GOLDEN = Path(__file__).parents[1] / "labs" / "golden" / "main-5f4c93a.sqlite"
WHOLE = "whole-20261126-180833-296c"


def test_a_campaign_without_results_leaves_the_report_of_another_alone(tmp_path: Path) -> None:
    shutil.copy(GOLDEN, journal_file(tmp_path))
    with Journal(journal_file(tmp_path)) as journal:
        journal.control("a test")
        event = started("empty-20261126-190000-0000")
        event = event.model_copy(update={"spec": event.spec.model_copy(update={"name": "empty"})})
        lab = LabCore()
        lab.handle(event.campaign, event, 1.0)
        told = event.model_dump_json().encode()
        journal.record([NewEvent(event.campaign, event.kind, told, b"[]", 1.0, take_changes(lab))])
    good = write_report(tmp_path, "whole")
    assert good == tmp_path / "reports" / f"{WHOLE}.html"
    last = tmp_path / "report.html"
    assert last.read_text() == good.read_text()
    empty = write_report(tmp_path, "empty")
    assert "empty-20261126-190000-0000" in empty.read_text()
    assert last.read_text() == good.read_text(), "an empty campaign takes no good report away"
    write_report(tmp_path, WHOLE, out=tmp_path / "elsewhere.html")
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {good.name, empty.name}


def rows(values: list[dict[str, float]], **changes: Any) -> tuple[str, list[list[str]]]:
    """The heading and the cells of every line that is printed of a campaign."""
    core = Alone()
    first: Started = started(budget=len(values), **changes)
    campaign: Any = SimpleNamespace(
        spec=first.spec, protocols={first.spec.protocol: SimpleNamespace(steps=[SimpleNamespace(expected_s=60.0)])}
    )
    now = [0.0]
    progress = Progress(campaign, lambda: now[0], simulated=False)
    left = list(values)
    printed: list[str] = []

    def take(event: Any) -> list[Any]:
        instructions = list(core.handle(event))
        printed.extend(line for line in progress.take(event, core.core)[0].splitlines() if line)
        return instructions

    pending = take(first)
    while pending:
        instruction = pending.pop(0)
        if isinstance(instruction, Ask):
            pending += take(suggested(7.4e-8 * (1 + len(left))))
        elif isinstance(instruction, RunStep):
            now[0] += 300.0
            pending += take(ended(instruction, "done", **(left.pop(0) if instruction.order.step == "measure" else {})))
    return progress.heading(), [[cell for cell in line.split("  ") if cell] for line in printed]


def test_small_numbers_are_numbers_in_the_live_table_and_the_log() -> None:
    heading, lines = rows(
        [{"y": 1.5e-13, "y_sem": 2e-15}, {"y": 3.14e-13, "y_sem": 2e-15}],
        objective={"name": "y", "goal": "max", "unit": "A"},
    )
    assert "state" in heading
    assert "best measured" in heading
    made = [line[2].strip() for line in lines]
    assert made == ["2.22e-07", "1.48e-07"]
    assert [line[3].strip() for line in lines] == ["(1.500 ± 0.020)e-13", "(3.140 ± 0.020)e-13"]
    assert [line[4].strip() for line in lines] == ["1.5e-13", "3.14e-13"]
    assert len(lines[0]) == 6
    assert len(lines[1]) == 5, "no time is left when all is done"


def test_large_numbers_that_hardly_differ_are_told_apart_in_the_live_table() -> None:
    _, lines = rows(
        [{"y": 10_000_123.0}, {"y": 10_000_171.0}, {"y": 10_000_150.0}],
        objective={"name": "y", "goal": "max", "unit": "Hz"},
    )
    assert [line[3].strip() for line in lines[1:]] == ["10000171", "10000150"]
    assert [line[4].strip() for line in lines[1:]] == ["10000171", "10000171"]


def test_with_several_objectives_the_pareto_front_is_counted() -> None:
    heading, lines = rows(
        [{"y": 1.0, "z": 1.0}, {"y": 2.0, "z": 2.0}, {"y": 3.0, "z": 0.0}],
        objective={"name": "y", "goal": "max", "unit": "A"},
        more_objectives=[{"name": "z", "goal": "max", "unit": "g"}],
    )
    assert "Pareto front" in heading
    assert [line[5].strip() for line in lines] == ["1 experiment", "1 experiment", "2 experiments"]


@pytest.mark.parametrize(
    ("path", "typed"),
    [("plain/x", "plain/x"), ("a b", "'a b'"), ("-x", "./-x"), ("a'b", "'a'\"'\"'b'"), ("a$b#?", "'a$b#?'")],
)
def test_a_path_is_printed_as_it_is_typed(path: str, typed: str) -> None:
    assert quoted(path) == typed
