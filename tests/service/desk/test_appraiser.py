"""What the lab's own code does while a request is looked at: it prints, fails, ends its process, or takes too long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.journal import journal_file
from labwright.model.errors import ConfigError
from labwright.service import lab_process as module
from labwright.service.desk.appraiser import Appraiser
from labwright.service.lab_process import LabProcess
from labwright.service.problems import Problem
from tests.service.desk.asking import asked

USES = """
    def worst_uses(self):
        import os
        {does}
        return super().worst_uses()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Path, Appraiser]]:
    """A lab's protocol, to which things are added, and what looks at its requests."""
    folder = tmp_path / "mine"
    make_lab(folder)
    process = LabProcess(folder, str(journal_file(folder / "var")))
    yield folder / "protocols" / "warm_up.py", Appraiser(process)
    process.close()


def add(protocol: Path, does: str) -> None:
    protocol.write_text(protocol.read_text() + USES.format(does=does))


def test_what_a_protocol_prints_is_no_answer(lab: tuple[Path, Appraiser]) -> None:
    protocol, appraiser = lab
    add(protocol, 'print("here I am")\n        os.write(1, b"and here\\n")')
    protocol.write_text(protocol.read_text() + '\n\nprint("imported")\n')
    for _ in range(2):
        found = appraiser.appraise(asked(terms="1"))
        assert [one.code for one in found.problems] == ["no_controller"]


def test_a_protocol_that_fails_is_named_with_its_line(lab: tuple[Path, Appraiser]) -> None:
    protocol, appraiser = lab
    add(protocol, "raise SystemExit(3)")  # which no `except Exception` catches
    line = protocol.read_text().splitlines().index("        raise SystemExit(3)") + 1
    with pytest.raises(ConfigError, match=rf"own code fails: protocols/warm_up\.py:{line}: SystemExit: 3"):
        appraiser.appraise(asked())
    protocol.write_text(protocol.read_text().replace("raise SystemExit(3)", "1 / 0"))
    with pytest.raises(ConfigError, match=rf"protocols/warm_up\.py:{line}: ZeroDivisionError: division by zero"):
        appraiser.appraise(asked())


def test_an_ended_process_and_one_that_takes_too_long_are_told_apart(
    lab: tuple[Path, Appraiser], monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, appraiser = lab
    add(protocol, "os._exit(3)")
    with pytest.raises(Problem, match="has ended twice without an answer") as ended:
        appraiser.appraise(asked())
    monkeypatch.setattr(module, "DEADLINE_S", 0.2)  # its imports take longer
    with pytest.raises(Problem, match=r"was not known within 0\.2 s") as slow:
        appraiser.appraise(asked())
    assert ended.value.code == slow.value.code == "unavailable"
