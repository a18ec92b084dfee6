"""Two requests at once on the reference lab, by Python client, command line and HTTP: the whole way of both.

One has a step that a person does, is edited after its approval, and meets a fault of an instrument; the other is of
another project, wants the same arm, and is aborted.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.client import Client, Request
from tests.forks import labwright, start
from tests.labs.inspected import inspected_lab
from tests.service.served import Served, once, serving

pytestmark = pytest.mark.long

DESK = """
offers:
  visual_inspection: {prepare: [cell_calibration]}
  electrolyte_conductivity: {prepare: [cell_calibration]}
currency: JPY
prices: {request: 1000, experiment: 100, station_hour: {impedance: 2400}, material: {rinse: {price: 3, per: 1 mL}}}
"""

SAMPLE = {
    "label": "S-1", "composition": "a reference", "amount": {"value": 2, "unit": "mL"}, "form": "liquid",
    "disposition": "return",
}  # fmt: skip
POINT = {"ec_fraction": (0.4, "1"), "dmc_share": (0.5, "1"), "temperature": (27.0, "degC")}

RUN = """
- molality: {{value: {}, unit: mol/kg}}
  ec_fraction: 0.4
  dmc_share: 0.5
  temperature: {{value: 27, unit: degC}}"""

FILE = f"""
project: wind
title: Twelve molalities
protocol: {{name: electrolyte_conductivity, version: "1"}}
export_control: {{status: not_controlled}}
terms: "1"
contact: eve
runs:{"".join(RUN.format(0.5 + number / 20) for number in range(12))}
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    lab = inspected_lab(tmp_path / "lab")
    (lab / "lab_config" / "desk.yaml").write_text(DESK)
    endpoints = tmp_path / "endpoints.json"
    with (tmp_path / "simulation.log").open("w") as log:
        words = ("simulate", "--lab", lab, "--speed", "100", "--endpoints", endpoints)
        instruments = start(*words, stdout=log.fileno(), stderr=log.fileno())
        try:
            until(endpoints.exists)
            with serving(lab, tmp_path / "data", endpoints=endpoints) as one:
                yield one
        finally:
            instruments.send_signal(signal.SIGTERM)
            instruments.wait(60)


def until(holds: Callable[[], Any], seconds: float = 90.0) -> Any:
    ends_s = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < ends_s, "it never was so"
        time.sleep(0.1)
    return found


@pytest.mark.timeout(300)
def test_two_projects_one_arm_a_card_a_fault_an_edit_and_an_abort(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {
        "ada": served.person("ada", "requester", project="solar"),
        "eve": served.person("eve", "requester", project="wind"),
        "tom": served.person("tom", "operator"),
        "sam": served.person("sam", "safety_reviewer"),
    }

    def cli(who: str, *words: str | Path) -> Any:
        """What a verb prints as JSON."""
        monkeypatch.setenv("LABWRIGHT_URL", served.url)
        monkeypatch.setenv("LABWRIGHT_KEY", keys[who])
        done = labwright(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()][-1]

    def accept(name: str) -> str:
        digest = cli("tom", "request", "show", name)["digest"]
        for who, kind in (("tom", "technical"), ("sam", "safety")):
            words = ("--kind", kind, "--digest", digest, "--reason", "fits the lab")
            state = cli(who, "request", "approve", name, *words)["state"]
        return str(state)

    with served.client() as admin:
        admin.put("/v1/projects/solar/quota", json={"experiments": 1.0}, headers=once())
    with Client(served.url, keys["ada"]) as ada, Client(served.url, keys["tom"]) as tom:
        asked = Request(
            project="solar",
            title="How it looks",
            protocol=("visual_inspection", "1"),
            terms="1",
            contact="ada",
            export_control="not_controlled",
            parameters={**POINT, "molality": (1.0, "mol/kg")},
            samples=[SAMPLE],
        )
        look = ada.requests.validate(asked)
        assert look.valid, look
        first = ada.requests.submit(ada.requests.create(asked).id).id
        assert accept(first) == "awaiting_samples"
        richer = Request(**{**vars(asked), "parameters": {**POINT, "molality": (1.1, "mol/kg")}})
        edited = ada.requests.edit(ada.requests.get(first), richer)
        assert [one.void for one in edited.reviews] == [True, True]
        ada.requests.wait(first, "validated", deadline_s=60)
        (tmp_path / "wind.yaml").write_text(FILE)
        second = str(cli("eve", "request", "submit", tmp_path / "wind.yaml")["id"])
        third = ada.requests.submit(ada.requests.create(asked).id).id
        assert accept(second) in ("approved", "queued")
        labwright("fault", "add", "lcr", "open_cable", "--endpoints", tmp_path / "endpoints.json")
        assert accept(first) == "awaiting_samples"
        assert cli("tom", "request", "receive", first, "S-1", "LW-0001")["state"] == "queued"
        assert accept(third) == "under_review"  # the quota of its project is for one
        assert "0 of 1 are left" in ada.requests.get(third).waits_for

        # The calibration meets the open cable, and both campaigns wait for a person.
        question = until(lambda: next(iter(tom.questions.list()), None))
        until(lambda: {ada.requests.get(first).state} & {"awaiting_operator", "running"})
        labwright("fault", "clear", "--endpoints", tmp_path / "endpoints.json")
        while question is not None:
            cli("tom", "question", "answer", question.id, "again", "--reason", "the cable was put in")
            time.sleep(1.0)
            question = next((one for one in tom.questions.list() if one.kind == "question"), None)
        card = until(lambda: next((one for one in tom.questions.list() if one.kind == "task"), None))
        assert "1.10 mol/kg" in card.text
        assert ada.requests.wait(first, "awaiting_operator", deadline_s=30).waits_for == "waits for a person in the lab"
        assert cli("eve", "request", "show", second)["state"] in ("queued", "running", "awaiting_operator")  # beside it
        cli("eve", "request", "abort", second, "--reason", "one was enough")
        readings = {"look": "clear", "leaks": False, "remark": "as water"}
        tom.questions.answer(card.id, "done", "looked at it", readings=readings)
        shown = ada.requests.wait(first, deadline_s=120)
        assert shown.outcome is not None
        assert shown.outcome["charged"]["cost"] == look.quote.cost.whole  # type: ignore[union-attr]
        table = ada.requests.experiments(first)
        assert table["look"].tolist() == ["clear"]
        assert 1.0 < table["molality / mol/kg"][0] < 1.2
        ada.requests.fetch(first, tmp_path / "found")
        assert (tmp_path / "found" / "report.html").read_text().count("SIMULATED")
        with served.client() as admin:
            admin.put("/v1/projects/solar/quota", json={"experiments": 5.0}, headers=once())
        ada.requests.wait(third, "awaiting_samples", deadline_s=30)
        assert ada.requests.cancel(third, "the quota was what it was about").state == "cancelled"
    aborted = cli("eve", "request", "wait", second, "--deadline", "120")
    assert (aborted["state"], "aborted by eve: one was enough" in aborted["outcome"]["reason"]) == ("delivered", True)
    assert aborted["outcome"]["experiments"] < 12
