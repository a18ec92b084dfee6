"""Who may do what, route by route, at the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from labwright.cli.init import make_lab
from tests.forks import labwright
from tests.service.served import Served, once, serving

BECAUSE = {"because": "x"}
ANYONE = ("viewer", "member", "stranger", "anonymous")

ROUTES: dict[str, tuple[dict[str, Any] | None, dict[str, int]]] = {
    "GET /v1/campaigns/{campaign}": (None, {"viewer": 200, "member": 200, "stranger": 404, "anonymous": 401}),
    "GET /v1/campaigns/{campaign}/experiments": (None, {"viewer": 200, "member": 200, "stranger": 404}),
    "GET /v1/campaigns/{campaign}/events": (None, {"viewer": 200, "member": 200, "stranger": 404}),
    "GET /v1/campaigns/{campaign}/space": (None, {"viewer": 200, "member": 200, "stranger": 404}),
    "GET /v1/campaigns/{campaign}/export": (None, {"viewer": 200, "member": 200, "stranger": 404, "anonymous": 401}),
    "GET /v1/campaigns/{campaign}/report": (None, {"viewer": 200, "member": 200, "stranger": 404, "anonymous": 401}),
    "POST /v1/campaigns": ({"name": "first"}, {"viewer": 403, "member": 403, "stranger": 403, "anonymous": 401}),
    "POST /v1/campaigns/{campaign}/drain": (BECAUSE, {"viewer": 403, "member": 403, "stranger": 404}),
    "GET /v1/samples/{sample}": (None, {"viewer": 200, "member": 200, "stranger": 404, "anonymous": 401}),
    "POST /v1/samples/{sample}/dispose": (BECAUSE, {"viewer": 403, "member": 403, "stranger": 404, "anonymous": 401}),
    "GET /v1/lineage?of={sample}": (None, {"viewer": 200, "member": 403, "stranger": 403, "anonymous": 401}),
    "GET /v1/runs/{run}": (None, {"viewer": 200, "member": 200, "stranger": 404, "anonymous": 401}),
    "GET /v1/inventory": (None, {"member": 403, "stranger": 403, "anonymous": 401}),
    "GET /v1/inventory/containers": (None, {"member": 403, "stranger": 403, "anonymous": 401}),
    "GET /v1/inventory/forecast": (None, {"member": 403, "stranger": 403, "anonymous": 401}),
    "GET /v1/inventory/labels": (None, {"member": 403, "stranger": 403, "anonymous": 401}),
    "POST /v1/inventory/count": ({**BECAUSE, "what": ["a=1"]}, {"viewer": 403, "member": 403, "anonymous": 401}),
    "POST /v1/inventory/move": (
        {**BECAUSE, "container": "a", "to": "shelf"},
        {"viewer": 403, "stranger": 403, "anonymous": 401},
    ),
    "GET /v1/stations": (None, {"viewer": 200, "member": 403, "stranger": 403, "anonymous": 401}),
    "GET /v1/latches": (None, {"viewer": 200, "member": 403, "stranger": 403, "anonymous": 401}),
}


class World:
    """A served lab with a project's campaign that is over, and people who may see it or not."""

    def __init__(self, served: Served) -> None:
        spec = {**SPEC, "project": "solar", "planner": {"name": "random"}, "budget": 1}
        keys = {
            "viewer": served.person("vic", "viewer"),
            "member": served.person("mia", "requester", project="solar"),
            "stranger": served.person("sam", "requester", project="wind"),
            "operator": served.person("oda", "operator"),
            "anonymous": "",
        }
        self.clients = {who: served.client(key) for who, key in keys.items()}
        oda = self.clients["operator"]
        handed = oda.post("/v1/campaigns", json={"spec": spec}, headers=once())
        assert handed.status_code == 201, handed.text
        assert handed.headers["location"] == f"/v1/campaigns/{handed.json()['campaign']}"
        campaign = handed.json()["campaign"]
        watched = labwright("campaign", "watch", campaign, "--data", served.data)
        assert watched.returncode == 0, watched.stderr
        assert labwright("report", campaign, "--data", served.data, "--lab", served.lab).returncode == 0
        self.names = {
            "campaign": campaign,
            "sample": oda.get("/v1/samples").json()["items"][0]["sample"],
            "run": oda.get("/v1/runs").json()["items"][0]["run"],
        }


SPEC = {
    "name": "first",
    "title": "Glow",
    "protocol": "warm_up",
    "space": {"parameters": [{"type": "real", "name": "temperature", "unit": "degC", "low": 25, "high": 85}]},
    "objective": {"name": "glow", "goal": "max", "unit": "1"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    with serving(folder, folder / "var") as served:
        one = World(served)
        yield one
        for client in one.clients.values():
            client.close()


def asked(world: World, who: str, route: str, body: dict[str, Any] | None) -> httpx.Response:
    method, path = route.split(" ")
    headers = {} if body is None else once()
    return world.clients[who].request(method, path.format(**world.names), json=body, headers=headers)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_opens_only_to_those_who_may(world: World, route: str) -> None:
    body, expected = ROUTES[route]
    found = {who: asked(world, who, route, body) for who in expected}
    assert {who: answer.status_code for who, answer in found.items()} == expected, [one.text for one in found.values()]
    for answer in found.values():
        if answer.status_code >= 400:
            assert answer.json()["code"] in ("forbidden", "not_found", "unauthenticated")


def test_lists_show_only_what_one_may_see(world: World) -> None:
    for path in ("/v1/campaigns", "/v1/samples", "/v1/runs"):
        counts = {who: len(world.clients[who].get(path).json()["items"]) for who in ANYONE}
        assert counts["viewer"] == counts["member"] > 0, path
        assert counts["stranger"] == counts["anonymous"] == 0, path


def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    viewer = world.clients["viewer"]
    for path in ("/v1/runs", f"/v1/campaigns/{world.names['campaign']}/events"):
        whole = viewer.get(path).json()["items"]
        found: list[Any] = []
        cursor: Any = None
        while True:
            page = viewer.get(path, params={"limit": 1, **({} if cursor is None else {"cursor": cursor})}).json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == whole
        assert whole


def test_a_campaign_that_a_client_has_already_is_not_sent_again(world: World) -> None:
    path = f"/v1/campaigns/{world.names['campaign']}"
    tag = world.clients["viewer"].get(path).headers["etag"]
    assert world.clients["viewer"].get(path, headers={"If-None-Match": tag}).status_code == 304
    late = world.clients["operator"].post(f"{path}/drain", json=BECAUSE, headers={**once(), "If-Match": '"another"'})
    assert (late.status_code, late.json()["code"]) == (412, "precondition")
    meant = world.clients["operator"].post(f"{path}/drain", json=BECAUSE, headers={**once(), "If-Match": tag})
    assert (meant.status_code, meant.json()["code"]) == (409, "refused")  # it is over


def test_a_submission_is_one_of_both_and_sent_twice_starts_one(world: World) -> None:
    oda = world.clients["operator"]
    for body in ({}, {"name": "first", "spec": SPEC}):
        assert oda.post("/v1/campaigns", json=body, headers=once()).status_code == 422
    key = once()
    first, second = (
        oda.post("/v1/campaigns", json={"name": "first", "budget": 1, "planner": "random"}, headers=key)
        for _ in range(2)
    )
    assert first.status_code == second.status_code == 201, first.text
    assert first.json() == second.json()
    assert len(oda.get("/v1/campaigns", params={"name": first.json()["campaign"]}).json()["items"]) == 1


def test_a_cell_is_never_a_formula() -> None:
    from labwright.facts.exporting import csv_lines

    rows = [{"=a": "=1+1", "b": "@x", "c": -1.5, "d": "+x", "e": "-x", "f": "fine", "g": [1], "h": True}]
    head, line = csv_lines(rows)
    assert head.split(",")[0] == "'=a"
    assert line.strip() == "'=1+1,'@x,-1.5,'+x,'-x,fine,[1],true"
