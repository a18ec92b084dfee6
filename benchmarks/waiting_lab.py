"""A served lab in which all waits that can wait for a person: a failed step, a task card, and an alarm.

Pictures of the console and its tests look at it: the failed step can be repeated with another value or left out, the
card has readings of each kind, and a station was stopped.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from labwright.cli.init import make_lab
from labwright.journal import journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, make_key

SPEED = 100

WITHIN_S = 120
"""Wall seconds in which the lab has to get so far."""

PROTOCOL = '''"""A person presses a cell; then it is soaked, and measured warm."""

from labwright.model.protocol import (
    ChoiceParameter,
    ChoiceResult,
    FlagParameter,
    FlagResult,
    Manual,
    NumberParameter,
    NumberResult,
    StepSpec,
    TextParameter,
)
from labwright.stations import LabProtocol, observe, physical, wait_s


class WarmUp(LabProtocol):
    name = "warm_up"
    title = "Warm up and measure"
    parameters = (
        NumberParameter(name="temperature", unit="degC", low=20, high=90),
        NumberParameter(name="hold_s", unit="s", low=10, high=600),
    )
    results = (
        NumberResult(name="glow", unit="1"),
        NumberResult(name="torque", unit="N.m"),
        ChoiceResult(name="rim", levels=("even", "wavy", "torn")),
        FlagResult(name="clean"),
    )
    steps = (
        StepSpec(
            name="press",
            station="bench",
            expected_s=600,
            on_failure="ask",
            manual=Manual(
                task="Press cell {sample} with the red press, to be warmed to {temperature:.1f} °C.",
                who="a person trained on the press",
                readings=(
                    NumberParameter(name="torque", unit="N.m", low=0.5, high=2.0, description="at the end stop"),
                    ChoiceParameter(name="rim", levels=("even", "wavy", "torn")),
                    FlagParameter(name="clean"),
                    TextParameter(name="remark", max_length=40),
                ),
            ),
        ),
        StepSpec(name="soak", station="heating", needs=("press",), expected_s=60, on_failure="ask"),
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

BENCH = "  bench: {title: Bench, people: true}\n"

SIGNED: dict[str, Any] = {"torque": 1.2, "rim": "even", "clean": True, "remark": "fine"}


@dataclass(frozen=True)
class WaitingLab:
    """A lab in which everything waits for a person.

    Attributes:
        url: of its service.
        data: where it keeps what it records.
        key: of a person who is operator and admin.
        failed: the page of the experiment whose step has failed.
    """

    url: str
    data: Path
    key: str
    failed: str


@contextlib.contextmanager
def waiting_lab(folder: Path) -> Iterator[WaitingLab]:
    """Serve it.

    Args:
        folder: in which it is made.
    """
    lab, data, endpoints = folder / "lab", folder / "data", folder / "endpoints.json"
    make_lab(lab)
    (lab / "protocols" / "warm_up.py").write_text(PROTOCOL, "utf-8")
    described = lab / "lab_config" / "lab.yaml"
    text = described.read_text("utf-8").replace("\nconstants:", f"{BENCH}\nconstants:")
    described.write_text(text.replace('title: "lab"', "title: Cell laboratory"), "utf-8")
    campaign = lab / "lab_config" / "campaigns" / "first.yaml"
    campaign.write_text(f"{campaign.read_text('utf-8')}fixed: {{hold_s: 60}}\n", "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    simulate = ("simulate", "--lab", str(lab), "--endpoints", str(endpoints), "--speed", str(SPEED))
    serve = ("serve", str(lab), "--data", str(data), "--no-store", "--port", port, "--endpoints", str(endpoints))
    with _started(folder, *simulate):
        _until(endpoints.exists)
        with _started(folder, *serve) as said:
            _until(lambda: "service listens on" in said.read_text("utf-8"))
            fault = ("fault", "add", "heater", "no_reply", "--count", "100000", "--lab", str(lab))
            command = [sys.executable, "-m", "labwright", *fault, "--endpoints", str(endpoints)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            yield _waiting(f"http://127.0.0.1:{port}", data)


@contextlib.contextmanager
def _started(folder: Path, *words: str) -> Iterator[Path]:
    """A command that runs until the end; the file with what it says."""
    path = folder / f"{words[0]}.txt"
    with (
        path.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "labwright", *words], stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            yield path
        finally:
            process.send_signal(signal.SIGINT if words[0] == "simulate" else signal.SIGTERM)
            process.wait(60)


def _waiting(url: str, data: Path) -> WaitingLab:
    """The lab, once a step has failed, a card is open and a station is stopped."""
    with Door(door_place(journal_file(data))) as door, door.writing() as connection:
        add_person(connection, "tom", roles=["operator", "admin"])
        key = make_key(connection, "tom", "waiting").secret
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as tom:
        for n in (1, 2):
            _post(tom, "/v1/campaigns", n, name="first", budget=1, planner="random", because="a new batch of cells")
        card = _asked(tom, "task")
        _post(tom, f"/v1/questions/{card['id']}/answer", 3, answer="done", because="pressed", readings=SIGNED)
        question = _asked(tom, "question")
        _asked(tom, "task")
        _post(tom, "/v1/lab/stop", 4, station="heating", now=False, because="it smells of burnt dust")
    return WaitingLab(url, data, key, f"/campaigns/{question['campaign']}/experiments/{question['label']}")


def _asked(client: httpx.Client, kind: str) -> dict[str, Any]:
    """The open question, or card, once it is asked."""

    def found() -> list[dict[str, Any]]:
        return [one for one in client.get("/v1/questions").json()["items"] if one.get("kind", "question") == kind]

    _until(found)
    return found()[0]


def _post(client: httpx.Client, path: str, key: int, **body: Any) -> None:
    answer = client.post(path, json=body, headers={"Idempotency-Key": f"waiting-{key}"})
    if answer.is_error:
        raise SystemExit(f"{path}: {answer.status_code} {answer.text}")


def _until(holds: Callable[[], object]) -> None:
    ends_s = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > ends_s:
            raise SystemExit(f"the lab did not get so far within {WITHIN_S} s")
        time.sleep(0.1)
