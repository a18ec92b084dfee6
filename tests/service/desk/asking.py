"""What the tests of the request desk ask, and how they wait for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from labwright.cli.init import make_lab
from labwright.service.rights import Role
from tests.service.served import Served, once, serving

DESK = """
terms: "2026-04"
currency: JPY
prices:
  request: 1000
  experiment: 100
  station_hour: {heating: 1200}
hazards: {heating: [H225]}
"""


def asked(**more: Any) -> dict[str, Any]:
    return {
        "project": "solar",
        "title": "How it glows at 50 degrees",
        "protocol": {"name": "warm_up", "version": "1"},
        "parameters": {"temperature": {"value": 50, "unit": "degC"}},
        "export_control": {"status": "not_controlled"},
        "terms": "2026-04",
        "contact": "ada@example.org",
        **more,
    }


def until(client: httpx.Client, name: str, *states: str) -> dict[str, Any]:
    """A request once it is in one of these states."""
    ends_s = time.monotonic() + 60
    while time.monotonic() < ends_s:
        shown: dict[str, Any] = client.get(f"/v1/requests/{name}").json()
        if shown["state"] in states:
            return shown
        time.sleep(0.05)
    raise AssertionError(f"it is {shown['state']} ({shown['waits_for']}), not {states}")


def post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post(path, json=body, headers=once())


def made(client: httpx.Client, body: dict[str, Any]) -> str:
    """A request that was submitted; its id."""
    draft = client.post("/v1/requests", json=body, headers=once())
    assert draft.status_code == 201, draft.text
    done = post(client, f"{draft.headers['location']}/submit")
    assert done.status_code == 200, done.text
    assert done.json()["state"] == "validated"
    return str(draft.json()["id"])


def accepted(served: Served, people: dict[str, str], name: str) -> dict[str, Any]:
    """A request that both reviewers have accepted."""
    shown: dict[str, Any] = {}
    for who, kind in (("tom", "technical"), ("sam", "safety")):
        with served.client(people[who]) as reviewer:
            digest = reviewer.get(f"/v1/requests/{name}").json()["digest"]
            because = {"kind": kind, "decision": "accept", "digest": digest, "because": "it is well described"}
            answer = post(reviewer, f"/v1/requests/{name}/reviews", **because)
            assert answer.status_code == 200, answer.text
            shown = answer.json()
    return shown


SOLVENT = {
    "label": "S-1",
    "composition": "ethanol",
    "cas": ["64-17-5"],
    "amount": {"value": 5, "unit": "mL"},
    "form": "liquid",
    "hazards": ["H225"],
    "groups": ["flammable_organic"],
    "sheet": {"reference": "SDS 4711", "sha256": "0" * 64},
    "disposition": "return",
}


@contextlib.contextmanager
def desk_served(folder: Path, more: str = "") -> Iterator[Served]:
    """A new lab with a request desk, served.

    Args:
        folder: in which it is made.
        more: lines of its desk.yaml.
    """
    lab = folder / "mine"
    make_lab(lab)
    (lab / "lab_config" / "desk.yaml").write_text(DESK + more)
    with serving(lab, folder / "var", "--speed", "100") as one:
        yield one


ROLES: dict[str, tuple[Role, str]] = {
    "ada": ("requester", "solar"),
    "eve": ("requester", "wind"),
    "tom": ("operator", ""),
    "sam": ("safety_reviewer", ""),
    "dot": ("data_steward", ""),
    "vic": ("viewer", ""),
}
"""Role and project of those around the desk."""


def keys_of(served: Served, *names: str) -> dict[str, str]:
    """Keys of people around the desk, by name; one without a role of `ROLES` is a guest."""
    found = {}
    for name in names:
        role, project = ROLES.get(name, (None, ""))
        found[name] = served.person(name, *([role] if role else []), project=project)
    return found


def until_true(holds: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends_s, "it never was so"
        time.sleep(0.05)
