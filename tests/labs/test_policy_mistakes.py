"""Policies about faults that mean nothing, or that something else needs otherwise, are told with file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from labwright.lab import read_lab
from labwright.stations.catalogue import make_protocol, protocol_classes
from tests import forks

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src" / "labwright" / "cli" / "template"

SKIPS = '''"""Steps that may be skipped, though something needs them."""

from labwright.model.protocol import NumberResult, Repeat, StepSpec, When
from labwright.stations import LabProtocol


class Skips(LabProtocol):
    name = "skips"
    title = "Skips"
    results = (NumberResult(name="y", unit="1"),)
    steps = (
        StepSpec(name="fill", station="heating", expected_s=1, holds=True, on_failure="skip"),
        StepSpec(name="look", station="heating", needs=("fill",), expected_s=1, on_failure={"sample": "skip"}),
        StepSpec(
            name="stir", station="heating", needs=("look",), expected_s=1, on_failure="skip",
            repeat=Repeat(back_to="look", until=When(result="stir.rsd", op="<", value=1), at_most=2),
        ),
        StepSpec(name="again", station="heating", needs=("stir",), expected_s=1,
                 when=When(result="look.ph", op="<", value=7)),
        StepSpec(name="read", station="heating", needs=("stir",), expected_s=1),
        StepSpec(name="note", station="heating", needs=("read",), expected_s=1, on_failure="skip"),
        StepSpec(name="close", station="heating", needs=("note",), expected_s=1, always=True, on_failure="skip"),
    )

    def fill(self, context):
        yield from ()
        return {}

    def look(self, context):
        yield from ()
        return {"ph": 7.0, "y": 1.0}

    def stir(self, context):
        yield from ()
        return {"rsd": 1.0}

    again = note = close = fill

    def read(self, context):
        yield from ()
        return {"seen": context.result("look", "ph")}
'''

WORDS = [
    r"protocols/skips.py:12: step fill: on_failure: skip: its station holds something of the sample",
    r"protocols/skips.py:18: step look: on_failure: skip \(sample\): step again is done only when look.ph < 7",
    r"protocols/skips.py:\d+: step look: on_failure: skip \(sample\): step read reads what it has found",
    r"protocols/skips.py:\d+: step look: on_failure: skip \(sample\): the protocol promises y, and no other step finds",
    r"protocols/skips.py:15: step stir: on_failure: skip: without it the loop",
    r"protocols/skips.py:22: step close: on_failure: skip: it closes out",
]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATE, tmp_path / "lab"))


def checked(lab: Path) -> str:
    done = forks.labwright("check", cwd=lab)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return re.sub(r"\s+", " ", done.stderr)


def test_a_step_is_not_skipped_that_something_needs(lab: Path) -> None:
    (lab / "protocols" / "skips.py").write_text(SKIPS)
    told = checked(lab)
    assert [one for one in WORDS if not re.search(one, told)] == [], told
    assert "step note" not in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('on_failure={"equipmnt": "ask"}', r"no class of fault 'equipmnt'; did you mean 'equipment'\?"),
        ('on_failure="retry"', r"no policy 'retry'"),
        ("ask=AskWithin(within_s=0)", r"within_s.*greater than 0"),
        ('ask=AskWithin(within_s=60, then="again")', r"then.*'park'"),
    ],
)
def test_a_policy_or_deadline_that_is_none_is_told_with_its_line(lab: Path, given: str, words: str) -> None:
    file = lab / "protocols" / "warm_up.py"
    text = file.read_text().replace('on_failure="ask"', given).replace("import NumberP", "import AskWithin, NumberP")
    file.write_text(text)
    assert re.search(rf"protocols/warm_up.py:\d+: .*{words}", checked(lab))


def test_the_protocols_of_the_reference_lab_ask_after_a_fault_of_an_instrument() -> None:
    folder = read_lab(ROOT)
    for name in protocol_classes(folder):
        policies = {step.name: step.policy("equipment") for step in make_protocol(folder, name).spec.steps}
        assert set(policies.values()) == {"ask"}, policies
    assert 'on_failure="ask"' in (TEMPLATE / "protocols" / "warm_up.py").read_text()
