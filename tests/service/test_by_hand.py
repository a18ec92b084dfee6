"""What people do at stations by hand, at the wire: service, controller and simulated instruments, each a process."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labwright.client import Client, ProblemError
from labwright.journal import Journal, journal_file
from tests.forks import Started, labwright, start
from tests.service.desk.asking import until_true
from tests.service.served import Served, once, serving

pytestmark = pytest.mark.long

SHUTTER = """
    shutter = Component(
        Axis, set="slide", unit="", precision=0, limits=(0, 1), timeout_s=2000, reconcile="ask",
    )  # fmt: skip
    portion = Component(Axis, set="slide", unit="uL", precision=0, limits=(0, 10), timeout_s=60, reconcile="ask")
    knob = Component(
        Axis, set="slide", unit="", precision=0, limits=(0, 1), timeout_s=60, reconcile="ask",
        not_by_hand="it is the safety circuit's",
    )  # fmt: skip

    def slide(self, act: Act, value: float) -> None:
        self.command(f"SHUT {value:.0f}", ok)
        act.sleep(200)
"""
"""Of the heater: what only a person can tell, what doses, and what its driver keeps from people."""


def a_lab(place: Path) -> Path:
    """A lab of one heater, which has a shutter."""
    assert labwright("init", place).returncode == 0
    driver = place / "devices" / "heater.py"
    driver.write_text(driver.read_text().replace("    def connect(self)", f"{SHUTTER}\n    def connect(self)", 1))
    twin = place / "simulators" / "heater.py"
    shut = '        elif word == "SHUT":\n            self.effect("shutter", to=float(value))\n        else:'
    twin.write_text(twin.read_text().replace("        else:", shut, 1))
    return place


def did(effects: Path, effect: str) -> list[dict[str, Any]]:
    """What instruments have done of a kind, by their log."""
    found = [json.loads(line) for line in effects.read_text().splitlines()] if effects.exists() else []
    return [one for one in found if one["effect"] == effect]


@dataclass
class Bench:
    """A served lab whose instruments are a process of their own.

    Attributes:
        served: controller and service.
        effects: what the instruments have done, a JSON line each.
    """

    served: Served
    effects: Path

    def did(self, effect: str) -> list[dict[str, Any]]:
        """What the instruments have done of a kind."""
        return did(self.effects, effect)


@pytest.fixture(scope="module")
def instruments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The lab, and a folder with the addresses of its instruments."""
    place = tmp_path_factory.mktemp("by_hand")
    lab = a_lab(place / "lab")
    with simulated(lab, place):
        yield lab, place


@contextlib.contextmanager
def running(log: Path, *words: str | Path) -> Iterator[Started]:
    """``labwright WORDS``, for a `with` block."""
    with log.open("a") as handle:
        process = start(*words, stdout=handle.fileno(), stderr=handle.fileno())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def simulated(lab: Path, place: Path) -> Iterator[None]:
    """Simulated instruments, for a `with` block."""
    words = ("simulate", "--lab", lab, "--speed", "100", "--endpoints", place / "endpoints.json")
    with running(place / "instruments.log", *words, "--effects", place / "effects.jsonl"):
        until_true((place / "endpoints.json").exists)
        yield


@pytest.fixture(scope="module")
def bench(instruments: tuple[Path, Path]) -> Iterator[Bench]:
    lab, place = instruments
    with serving(lab, place / "var", endpoints=place / "endpoints.json") as served:
        yield Bench(served, place / "effects.jsonl")


@pytest.fixture(scope="module")
def otto(bench: Bench) -> Iterator[Client]:
    with Client(bench.served.url, bench.served.person("otto", "operator")) as client:
        yield client


def ended(client: Client, operation: str) -> Any:
    """How an operation stands, once it does not go on by itself."""
    until_true(lambda: client.stations.state("heating", operation).state not in ("waiting", "running"))
    return client.stations.state("heating", operation)


def test_what_can_be_set_is_said_with_its_limits_and_what_cannot_with_why(otto: Client) -> None:
    (heater,) = otto.stations.devices("heating")
    axes = {one.name: one for one in heater.axes}
    assert (axes["temperature"].low, axes["temperature"].high, axes["temperature"].unit) == (20, 90, "degC")
    assert axes["temperature"].reads
    assert not axes["shutter"].reads
    assert "doses" in axes["portion"].closed
    assert axes["knob"].closed == "it is the safety circuit's"
    assert "glow" in [one.name for one in heater.readings]


def test_an_axis_is_set_once_and_a_reading_is_taken(bench: Bench, otto: Client) -> None:
    made = otto.stations.set("heating", "heater", "temperature", 40.0, "degC", "a look", key="the same")
    assert otto.stations.set("heating", "heater", "temperature", 40.0, "degC", "a look", key="the same") == made
    done = ended(otto, made)
    assert (done.state, done.by, done.because, done.set_to) == ("done", "otto", "a look", 40.0)
    assert done.read_back == pytest.approx(40, abs=0.6), "it was measured"
    assert [one["celsius"] for one in bench.did("heat")] == [40.0], "once"
    read = ended(otto, otto.stations.read("heating", "heater", "how hot"))
    documents = list(otto.runs.documents(read.runs[0]))
    event = next(document for name, document in documents if name == "event")
    assert event["data"]["heater_temperature"] == pytest.approx(40, abs=0.6)
    assert [one.campaign for one in otto.stations.by_hand("heating")][:2] == [read.campaign, made]
    assert made not in [one.campaign for one in otto.campaigns.list()]
    assert otto.campaigns.show(made).name == "by_hand", "by its id it is found"
    listed = labwright("campaign", "list", "--data", bench.served.data, "--json")
    assert made not in listed.stdout
    with bench.served.client() as tab:
        rows = tab.get("/v1/audit", params={"actor": "otto"}).json()["items"]
    assert [one["target"] for one in rows if one["action"] == "lab.steer"][:1] == ["station/heating"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"value": 95.0}, "95 degC is outside its limits: give a value of 20 to 90 degC"),
    "another unit": ({"unit": "K"}, "is in 'degC', not in 'K': give a value of 20 to 90 degC"),
    "no unit": ({"unit": ""}, "is in 'degC', not in ''"),
    "too fine": ({"value": 40.123}, "finer than it is set: give a value with 1 decimal"),
    "an unknown axis": ({"axis": "temprature"}, "did you mean 'temperature'"),
    "an unknown device": ({"device": "heeter"}, "did you mean 'heater'"),
    "a dose": ({"axis": "portion", "value": 3.0, "unit": "uL"}, "it doses"),
    "kept from people": ({"axis": "knob", "value": 1.0, "unit": ""}, "the safety circuit's"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_dies_at_the_border_and_at_the_controller_too(bench: Bench, otto: Client, what: str) -> None:
    change, words = WRONG[what]
    before = len(bench.did("heat")), len(bench.did("shutter"))
    given = {"device": "heater", "axis": "temperature", "value": 40.0, "unit": "degC", "because": "x", **change}
    answer = otto.wire.send
    with pytest.raises(ProblemError, match=re.escape(words)):
        answer("POST", "/v1/stations/heating/set", given)
    line = (given["device"], given["axis"], f"{given['value']}", *([given["unit"]] if given["unit"] else []))
    named = ("--data", bench.served.data, "--by", "Ann", "--reason", "x")
    done = labwright("station", "set", "heating", *line, *named)
    assert done.returncode not in (0, 1), done.stderr
    assert words in done.stderr, "the controller looks for itself"
    assert (len(bench.did("heat")), len(bench.did("shutter"))) == before


def test_no_number_is_no_value(bench: Bench) -> None:
    with bench.served.client(bench.served.person("nora", "operator")) as tab:
        for word in ("NaN", "Infinity", "1e999", '"40"', "true"):
            body = f'{{"device": "heater", "axis": "temperature", "value": {word}, "unit": "degC", "because": "x"}}'
            headers = {**once(), "Content-Type": "application/json"}
            answer = tab.post("/v1/stations/heating/set", content=body, headers=headers)
            assert answer.status_code in (400, 422), (word, answer.text)


def program(served: Served) -> str:
    """A key of a program that acts by its own judgement, in a project that there is."""
    with served.client() as admin:
        admin.post("/v1/people", json={"id": "robo", "agent": True}, headers=once())
        admin.put("/v1/projects/p/members/robo", json={"role": "agent"}, headers=once())
        return str(admin.post("/v1/keys", json={"owner": "robo", "name": "k"}, headers=once()).json()["secret"])


def test_only_operators_do_something_by_hand(bench: Bench) -> None:
    body = {"device": "heater", "axis": "temperature", "value": 50.0, "unit": "degC", "because": "x"}
    before = len(bench.did("heat"))
    keys = {
        "vera": bench.served.person("vera", "viewer"),
        "sam": bench.served.person("sam", "safety_reviewer"),
        "rita": bench.served.person("rita", "requester", project="p"),
        "robo": program(bench.served),
    }
    for name, key in keys.items():
        with bench.served.client(key) as tab:
            for what in ("set", "read"):
                sent = body if what == "set" else {"device": "heater", "because": "x"}
                answer = tab.post(f"/v1/stations/heating/{what}", json=sent, headers=once())
                assert answer.status_code == 403, (name, what, answer.text)
    assert len(bench.did("heat")) == before


def test_it_waits_for_the_step_under_way_and_is_given_up_when_too_late(bench: Bench, otto: Client) -> None:
    campaign = otto.campaigns.submit("first", budget=1, planner="random")
    until_true(lambda: [one for one in otto.lab.status()["stations"] if one["campaign"] == campaign])
    late = otto.stations.set("heating", "heater", "temperature", 31.0, "degC", "now or never", wait_s=5)
    then = otto.stations.set("heating", "heater", "temperature", 32.0, "degC", "when it is free")
    found = otto.stations.state("heating", then)
    assert (found.state, found.reason) == ("waiting", "")
    assert any("for station heating, which" in words for words in found.waits_for), found.waits_for
    gone = ended(otto, late)
    assert gone.state == "given up"
    assert "not started by" in gone.reason
    assert f"which {campaign}/0001/warm has" in gone.reason
    assert ended(otto, then).state == "done"
    until_true(lambda: otto.campaigns.show(campaign).state == "completed")
    heats = [one["celsius"] for one in bench.did("heat")]
    assert 31.0 not in heats
    assert heats[-1] == 32.0, "after the step"


def test_a_stopped_station_does_nothing_by_hand(bench: Bench, otto: Client) -> None:
    otto.lab.stop("smells", station="heating")
    with pytest.raises(ProblemError, match="station heating is stopped"):
        otto.stations.set("heating", "heater", "temperature", 33.0, "degC", "x")
    (latch,) = otto.lab.latches()
    otto.lab.reset(latch["id"], "aired")
    assert ended(otto, otto.stations.set("heating", "heater", "temperature", 34.0, "degC", "x")).state == "done"
    assert 33.0 not in [one["celsius"] for one in bench.did("heat")]


def test_a_killed_controller_repeats_nothing_that_only_a_person_can_tell(tmp_path: Path) -> None:
    lab = a_lab(tmp_path / "lab")
    data, endpoints = tmp_path / "var", tmp_path / "endpoints.json"
    on = ("--data", data)
    words = ("serve", lab, *on, "--endpoints", endpoints, "--no-store", "--no-http", "--by", "test")
    with simulated(lab, tmp_path):
        effects = tmp_path / "effects.jsonl"
        with running(tmp_path / "first.log", *words) as first:
            until_true(lambda: journal_file(data).exists() and controlled(data))
            asked = ("station", "set", "heating", "heater", "shutter", "1", "--by", "Ann", "--reason", "x", "--no-wait")
            operation = json.loads(labwright(*asked, *on, "--json").stdout)["campaign"]
            until_true(lambda: did(effects, "shutter"))
            first.send_signal(signal.SIGKILL)
            first.wait(30)
        with running(tmp_path / "second.log", *words):
            until_true(lambda: stands(data)["state"] == "question")
            assert "heater.shutter = 1 may or may not have happened" in stands(data)["reason"]
            assert len(did(effects, "shutter")) == 1
            (question,) = stands(data)["questions"]
            said = ("question", "answer", question, "done", *on, "--by", "Ann", "--reason", "it is open")
            assert labwright(*said).returncode == 0
            until_true(lambda: stands(data)["state"] == "done")
            assert len(did(effects, "shutter")) == 1, "nothing was done twice"
            assert stands(data)["campaign"] == operation


def controlled(data: Path) -> bool:
    with Journal.reading(journal_file(data)) as journal:
        return journal.controlled()


def stands(data: Path) -> dict[str, Any]:
    """The newest operation."""
    said = labwright("station", "show", "heating", "--data", data, "--json").stdout
    found: dict[str, Any] = json.loads(said.splitlines()[0])
    return found
