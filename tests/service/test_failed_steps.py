"""A failed step over HTTP: repeated with other values over a kill of the controller, or left out."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright import connect
from labwright.cli.init import make_lab
from labwright.client import Client
from labwright.facts.exporting import export_rows
from labwright.journal import Journal, journal_file, schema
from labwright.model.errors import LabwrightError
from tests.forks import labwright, start
from tests.service.served import Served, serving

pytestmark = pytest.mark.long

PROTOCOL = '''"""Two steps: the first can be left out, and goes by a value that no other goes by."""

from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, observe, physical, wait_s


class WarmUp(LabProtocol):
    name = "warm_up"
    title = "Warm up and measure"
    parameters = (
        NumberParameter(name="temperature", unit="degC", low=20, high=90),
        NumberParameter(name="hold_s", unit="s", low=10, high=600),
    )
    results = (NumberResult(name="glow", unit="1"),)
    steps = (
        StepSpec(name="soak", station="heating", expected_s=60, on_failure="ask"),
        StepSpec(name="warm", station="heating", needs=("soak",), expected_s=60, on_failure="ask"),
    )

    def soak(self, context):
        yield from physical(context, context.device("heater").temperature, 40.0)
        yield from wait_s(context.order.parameters["hold_s"])
        return {}

    def warm(self, context):
        heater = context.device("heater")
        yield from physical(context, heater.temperature, context.order.parameters["temperature"])
        values = yield from observe(context, heater)
        return {"glow": values[heater.glow.name]}
'''


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"hold_s": 5}, "again", "hold_s = 5 s is outside 10 to 600 s"),
    ({"hold_s": "2 min"}, "again", "is in 'min', and is read in 's'"),
    ({"hold": 30}, "again", "did you mean 'hold_s'"),
    ({"temperature": 30}, "again", "no value that it can be repeated with 'temperature'"),
    ({"hold_s": 30}, "skip", "other values go with the answer 'again'"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a lab, and with instruments in a process of their own: faults are put on them, and they outlive."""
    folder = tmp_path_factory.mktemp("failed")
    make_lab(folder / "lab")
    (folder / "lab" / "protocols" / "warm_up.py").write_text(PROTOCOL)
    campaign = folder / "lab" / "lab_config" / "campaigns" / "first.yaml"
    campaign.write_text(campaign.read_text() + "fixed: {hold_s: 60}\n")
    with contextlib.ExitStack() as stack:
        words = ("--speed", "100", "--endpoints", folder / "endpoints.json", "--lab", folder / "lab")
        instruments = start("simulate", *words)
        stack.callback(instruments.communicate, timeout=30)
        stack.callback(instruments.send_signal, signal.SIGINT)
        until((folder / "endpoints.json").exists)
        yield folder


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.02)
    return found


def served(place: Path) -> contextlib.AbstractContextManager[Served]:
    return serving(place / "lab", place / "var", endpoints=place / "endpoints.json")


def fault(place: Path, *words: str) -> None:
    done = labwright("fault", *words, "--lab", place / "lab", "--endpoints", place / "endpoints.json")
    assert done.returncode == 0, done.stderr


def asked(lab: Client) -> dict[str, Any]:
    """The open question, once it is asked."""
    return dict(until(lab.questions.facts)[0])


def submitted(one: Served, place: Path) -> None:
    """A campaign of one experiment, on instruments of which one does not reply."""
    fault(place, "add", "heater", "no_reply", "--count", "100000")
    words = ("campaign", "submit", "first", "--lab", place / "lab", "--data", place / "var", "--budget", "1")
    done = labwright(*words, "--planner", "random", "--by", "Ann", "--endpoints", place / "endpoints.json")
    assert done.returncode == 0, done.stderr


def exported(place: Path, campaign: str) -> dict[str, Any]:
    with Journal.reading(journal_file(place / "var")) as journal:
        (row,) = export_rows(journal, campaign)
        return row


def test_a_failed_step_is_repeated_with_another_value_over_a_kill_of_the_controller(place: Path) -> None:
    with served(place) as one:
        submitted(one, place)
        key = one.person("ole", "operator")
        with Client(one.url, key) as lab, one.client(key) as ole:
            question = asked(lab)
            assert [*question["choices"]] == ["again", "skip", "abandon"]
            (offered,) = question["parameters"]
            assert (offered["name"], offered["value"], offered["allowed"]) == ("hold_s", 60.0, "10 to 600 s")
            (seen,) = connect(place / "lab", data=place / "var").questions
            assert seen.parameters == {"hold_s": "now 60: 10 to 600 s"}
            assert "again with another hold_s, now 60: 10 to 600 s" in str(seen)
            for given, how, why in REFUSED:
                with pytest.raises(LabwrightError, match=why):
                    lab.questions.answer(question["id"], how, "looked", parameters=given)
            assert asked(lab) == question, "nothing was recorded"
            fault(place, "clear")
            campaign = question["campaign"]
            page = ole.get(f"/campaigns/{campaign}/experiments/0001").text
            assert 'name="parameters.hold_s:float" inputmode="decimal" value="60"' in page
            lab.campaigns.pause(campaign, "a look first")
            answered = lab.questions.answer(question["id"], "again", "it was unplugged", parameters={"hold_s": "30 s"})
            assert answered["parameters"] == {"hold_s": 30.0}
            assert "As edited" in ole.get(f"/campaigns/{campaign}/experiments/0001").text
        one.controller.kill()
    with served(place) as one, Client(one.url, key) as lab:
        lab.campaigns.resume(campaign, "it looks well")
        until(lambda: lab.campaigns.facts(campaign)["state"] == "completed")
        said = next(row for row in lab.questions.facts(everything=True) if row["id"] == question["id"])
        assert (said["edited"], said["by"]) == ({"hold_s": 30.0}, "ole")
    row = exported(place, campaign)
    assert (row["status"], row["edits"]) == ("done", "hold_s 60 → 30 from step soak on, by ole: it was unplugged")
    with Journal.reading(journal_file(place / "var")) as journal:
        table = schema.intent.c
        waits = journal.rows(schema.intent, table.campaign == campaign, table.kind == "wait")
    assert [one["value"] for one in waits] == [30.0]


def test_a_failed_step_that_no_other_needs_is_left_out(place: Path) -> None:
    with served(place) as one, one.client(one.person("kim", "operator")) as kim:
        submitted(one, place)
        question = until(lambda: kim.get("/v1/questions").json()["items"])[0]
        fault(place, "clear")
        words = (
            "question",
            "answer",
            question["id"],
            "skip",
            "--by",
            "Ole",
            "--reason",
            "it is warm",
            "--data",
            place / "var",
        )
        done = labwright(*words)
        assert done.returncode == 0, done.stderr
        campaign = question["campaign"]
        until(lambda: kim.get(f"/v1/campaigns/{campaign}").json()["state"] == "completed")
        assert "left out by Ole: it is warm" in kim.get(f"/campaigns/{campaign}/experiments/0001").text
    row = exported(place, campaign)
    assert row["status"] == "done"
    assert row["left_out"].endswith("left out by Ole: it is warm")
    assert "edits" not in row
