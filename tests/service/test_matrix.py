"""Who may do what: every route, as every role, against a table written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from labwright.cli.init import make_lab
from tests.forks import labwright
from tests.service.desk.asking import asked
from tests.service.served import Served, once, serving
from tests.service.test_rights_of_routes import SPEC

WHO = (
    "viewer",
    "operator",
    "safety_reviewer",
    "data_steward",
    "admin",
    "requester",
    "agent",
    "other",
    "guest",
    "anonymous",
)
"""``requester`` and ``agent``: of the project whose things are asked for; ``other``: a requester of another project."""

TABLE = """
   viewer  operator    safety   steward     admin requester     agent     other     guest anonymous
      200       200       200       200       200       200       200       200       200       200
    GET /healthz
    GET /readyz
    GET /v1/me
    GET /v1/campaigns
    GET /v1/samples
    GET /v1/runs
    GET /v1/projects
    GET /v1/requests
    GET /v1/notes
    GET /v1/deviations
    GET /v1/capabilities
      200       200       200       200       200       403       403       403       403       401
    GET /metrics
    GET /v1/status
    GET /v1/stations
    GET /v1/stations/{station}/devices
    GET /v1/stations/{station}/by-hand
    GET /v1/bookings
    GET /v1/latches
    GET /v1/questions
      404       404       404       404       404       403       403       403       403       401
    GET /v1/stations/{station}/by-hand/{campaign}
      403       key       key       403       key       403       403       403       403       401
    POST /v1/lab/stop
      403       key       403       403       key       403       403       403       403       401
    POST /v1/lab/reset
      200       200       200       200       200       404       404       404       404       401
    GET /v1/commands/{number}
    GET /v1/deviations/{deviation}
      403       key       key       key       key       404       404       404       404       401
    POST /v1/notes
    POST /v1/notes/{note}/replace
    POST /v1/deviations
    POST /v1/deviations/{deviation}/close
      403       key       403       403       403       403       403       403       403       401
    DELETE /v1/commands/{number}
      403       key       403       403       403       403       403       403       403       401
    POST /v1/campaigns
    POST /v1/questions/{question}/answer
    POST /v1/stations/{station}/set
    POST /v1/stations/{station}/read
    POST /v1/stations/{station}/bookings
    POST /v1/bookings/{booking}/end
    POST /v1/inventory/count
    POST /v1/inventory/receive
    POST /v1/inventory/adjust
    POST /v1/inventory/move
    POST /v1/inventory/release
    POST /v1/inventory/quarantine
      200       200       200       200       200       200       200       404       404       401
    GET /v1/campaigns/{campaign}/experiments
    GET /v1/campaigns/{campaign}/events
    GET /v1/campaigns/{campaign}/space
    GET /v1/campaigns/{campaign}/export
    GET /v1/campaigns/{campaign}/report
    GET /v1/campaigns/{campaign}
    GET /v1/samples/{sample}
    GET /v1/runs/{uid}
    GET /v1/projects/{name}
    GET /v1/requests/{name}
    GET /v1/requests/{name}/history
    GET /v1/projects/{name}/quota
    GET /v1/{things}/{name}/data-class
      403       key       key       403       key       key       403       404       404       401
    POST /v1/campaigns/{campaign}/pause
    POST /v1/campaigns/{campaign}/stop
      403       key       403       403       403       403       403       404       404       401
    POST /v1/campaigns/{campaign}/resume
    POST /v1/campaigns/{campaign}/drain
    POST /v1/campaigns/{campaign}/extend
    POST /v1/campaigns/{campaign}/suggest
    POST /v1/campaigns/{campaign}/veto
    POST /v1/samples/{sample}/dispose
    POST /v1/samples/{sample}/release
    POST /v1/samples/{sample}/quarantine
    POST /v1/requests/{name}/samples/{label}/arrival
    POST /v1/requests/{name}/samples/{label}/departure
      409       409       409       409       409       403       403       403       403       401
    GET /v1/inventory
    GET /v1/inventory/containers
    GET /v1/inventory/forecast
    GET /v1/inventory/labels
      422       422       422       422       422       403       403       403       403       401
    GET /v1/lineage
      200       200       200       200       200       200       403       200       403       401
    GET /v1/keys
      key       key       key       key       key       key       403       key       403       401
    POST /v1/keys
      204       403       403       403       422       403       403       403       403       401
    DELETE /v1/keys/{key}
      403       403       403       403       200       403       403       403       403       401
    GET /v1/people
    GET /v1/people/{who}
      403       403       403       403       key       403       403       403       403       401
    POST /v1/people
    DELETE /v1/people/{who}
    PUT /v1/people/{who}/roles
    POST /v1/projects
    PUT /v1/projects/{name}/members/{who}
    DELETE /v1/projects/{name}/members/{who}
    POST /v1/people/{who}/invitation
    PUT /v1/projects/{name}/quota
      403       403       403       200       200       403       403       403       403       401
    GET /v1/audit
    GET /v1/audit/verification
    GET /v1/traces/{trace}
      401       401       401       401       401       401       401       401       401       401
    POST /v1/session
      204       204       204       204       204       204       204       204       204       204
    DELETE /v1/session
      200       200       200       200       200       200       200       200       200       401
    GET /v1/sessions
      204       204       204       204       204       204       204       204       204       401
    DELETE /v1/sessions
      403       403       403       403       404       403       403       403       403       401
    DELETE /v1/sessions/{name}
      422       422       422       422       422       422       403       422       422       401
    POST /v1/me/password
      404       404       404       404       404       404       404       404       404       404
    GET /v1/session/oidc
    GET /v1/session/oidc/callback
    GET /v1/deliveries/{secret}
      403       403       403       403       403       200       200       403       403       401
    POST /v1/requests:validate
      403       403       403       403       403       key       key       403       403       401
    POST /v1/requests
      403       403       403       403       403       key       403       404       404       401
    PUT /v1/requests/{name}
      403       403       403       403       403       422       403       404       404       401
    POST /v1/requests/{name}/submit
      403       key       403       403       403       key       403       404       404       401
    POST /v1/requests/{name}/cancel
    POST /v1/requests/{name}/abort
    POST /v1/requests/{name}/close
      403       403       412       403       403       403       403       404       404       401
    POST /v1/requests/{name}/reviews
      409       409       409       409       409       409       409       404       404       401
    GET /v1/requests/{name}/delivery
      409       409       409       409       409       409       403       404       404       401
    POST /v1/requests/{name}/deliveries
      200       200       200       200       200       200       200       404       404       401
    GET /v1/requests/{name}/deliveries
      key       key       key       key       key       key       key       404       404       401
    DELETE /v1/requests/{name}/deliveries
      200       200       200       200       200       200       200       200       403       401
    GET /v1/webhooks
      409       409       409       409       409       409       409       409       403       401
    POST /v1/webhooks
      404       404       404       404       404       404       404       404       403       401
    POST /v1/webhooks/{name}/enable
    DELETE /v1/webhooks/{name}
    GET /v1/webhooks/{name}/notices
      403       key       403       key       key       403       403       404       404       401
    PUT /v1/{things}/{name}/data-class
      403       403       403       key       403       403       403       404       404       401
    PUT /v1/{things}/{name}/grants/{who}
    DELETE /v1/{things}/{name}/grants/{who}
"""
"""``key``: it may be done, and was only asked for its Idempotency-Key; below, the routes to which a line applies."""

STREAMS = ("GET /v1/events", "GET /v1/requests/{name}/events")

KEY_FIRST = frozenset({"POST /v1/requests/{name}/submit", "POST /v1/requests/{name}/reviews"})
"""Where an answer that was given before is given again, whatever has changed since; so there is a key."""

GIVEN = {"project": "solar", "because": "x", "id": "newname", "role": "requester", "name": "first"}

WRONG = {"expected": "x", "happened": "x", "category": "data", "severity": "minor"}

BODIES: dict[str, Any] = {
    "/v1/requests": asked(),
    "/v1/requests/{name}": asked(),
    "/v1/requests:validate": asked(),
    "/v1/campaigns": {"name": "first"},
    "/v1/session": {"person": "a.viewer", "password": "no password at all"},
    "/v1/campaigns/{campaign}/veto": {"trial": "x", "because": "x"},
    "/v1/inventory/receive": {"containers": {"B1": {"labware": "bottle"}}, "because": "x"},
    "/v1/requests/{name}/reviews": {"kind": "safety", "decision": "accept", "digest": "0" * 64, "because": "x"},
    "/v1/webhooks": {"url": "https://127.0.0.1/x"},
    "/v1/me/password": {"password": "short"},
    "/v1/notes": {"station": "heating", "text": "x"},
    "/v1/deviations": {"station": "heating", **WRONG},
}
"""Where the smallest body is not one that is taken."""


def smallest(schema: Mapping[str, Any], parts: Mapping[str, Any], name: str = "") -> Any:
    """A body that is as its schema asks, with no more in it than that."""
    if "$ref" in schema:
        return smallest(parts[schema["$ref"].rpartition("/")[2]], parts, name)
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            return smallest(schema[choices][0], parts, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        needed = schema.get("required", ())
        return {key: smallest(schema["properties"][key], parts, key) for key in needed}
    if kind == "array":
        return [smallest(schema["items"], parts, name)] * schema.get("minItems", 0)
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return int(least) if kind == "integer" else least
    if kind == "boolean":
        return False
    return GIVEN.get(name, "x" * max(1, schema.get("minLength", 1)))


class World:
    """A served lab with a campaign and a request of a project, and a client of each role."""

    def __init__(self, served: Served) -> None:
        self.served = served
        keys = {role: served.person(f"a.{role}", role) for role in WHO[:5]}  # type: ignore[arg-type]
        keys["requester"] = served.person("a.requester", "requester", project="solar")
        keys["other"] = served.person("a.other", "requester", project="wind")
        keys["guest"] = served.person("a.guest")
        keys["anonymous"] = ""
        with served.client() as admin:
            admin.post("/v1/people", json={"id": "a.agent", "agent": True}, headers=once())
            admin.put("/v1/projects/solar/members/a.agent", json={"role": "agent"}, headers=once())
            made = admin.post("/v1/keys", json={"name": "x", "owner": "a.agent"}, headers=once())
            spare = admin.post("/v1/keys", json={"name": "spare", "owner": "a.viewer"}, headers=once())
            keys["agent"] = made.json()["secret"]
            self.described = admin.get("/openapi.json").json()
        self.clients = {who: served.client(keys[who]) for who in WHO}
        spec = {**SPEC, "project": "solar", "planner": {"name": "random"}, "budget": 1}
        handed = self.clients["operator"].post("/v1/campaigns", json={"spec": spec}, headers=once())
        assert handed.status_code == 201, handed.text
        campaign = handed.json()["campaign"]
        assert labwright("campaign", "watch", campaign, "--data", served.data).returncode == 0
        written = self.clients["requester"].post("/v1/requests", json=asked(), headers=once())
        assert written.status_code == 201, written.text
        looking = self.clients["operator"]
        said = {path: looking.post(path, json=BODIES[path], headers=once()) for path in ("/v1/notes", "/v1/deviations")}
        self.names = {
            "station": "heating", "campaign": campaign, "things": "campaigns", "who": "a.viewer", "label": "x",
            "question": "none", "booking": "B1",
            "sample": looking.get("/v1/samples").json()["items"][0]["sample"],
            "uid": looking.get("/v1/runs").json()["items"][0]["run"],
            "number": "1", "trace": "0" * 32, "key": spare.json()["id"], "secret": "x" * 43,
            "note": said["/v1/notes"].json()["result"], "deviation": said["/v1/deviations"].json()["result"],
        }  # fmt: skip

    def body(self, route: str) -> Any:
        method, path = route.split(" ")
        described = self.described["paths"][path][method.lower()].get("requestBody")
        if described is None:
            return None
        if path in BODIES:
            return BODIES[path]
        return smallest(described["content"]["application/json"]["schema"], self.described["components"]["schemas"])

    def path(self, route: str) -> str:
        path = route.split(" ")[1]
        names = dict(self.names)
        names["name"] = "solar" if "/projects/" in path else "R1" if "/requests/" in path else "first"
        if "{things}" in path:
            names["name"] = names["campaign"]
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path) + ("?of=x" if path.endswith("lineage") else "")

    def asked(self, route: str, who: str) -> httpx.Response:
        """What is answered; nothing is done where an Idempotency-Key is needed, since there is none."""
        method = route.split(" ")[0]
        headers = once() if route in KEY_FIRST else {}
        return self.clients[who].request(method, self.path(route), json=self.body(route), headers=headers)


def table() -> dict[str, dict[str, str]]:
    """What each is answered, by route and role."""
    found: dict[str, dict[str, str]] = {}
    answers: list[str] = []
    for line in TABLE.strip("\n").splitlines()[1:]:
        if line.startswith("    ") and line.strip()[0].isalpha() and "/" in line:
            found[line.strip()] = dict(zip(WHO, answers, strict=True))
        else:
            answers = line.split()
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    with serving(folder, folder / "var", "--speed", "100") as served:
        one = World(served)
        yield one
        for client in one.clients.values():
            client.close()


def test_no_route_is_left_out(world: World) -> None:
    there = {f"{method.upper()} {path}" for path, methods in world.described["paths"].items() for method in methods}
    assert there - set(STREAMS) == set(table())


def test_each_route_answers_each_role_as_the_table_says(world: World) -> None:
    wrong = []
    for route, expected in table().items():
        for who, answer in expected.items():
            found = world.asked(route, who)
            code = found.json()["code"] if "problem" in found.headers.get("content-type", "") else ""
            if (said := "key" if code == "key_required" else str(found.status_code)) != answer:
                wrong.append(f"{route}: {who} is answered {said}, not {answer}: {found.text[:200]}")
    assert wrong == []


@pytest.mark.parametrize("route", STREAMS)
def test_a_stream_opens_to_who_may_read_what_is_in_it(world: World, route: str) -> None:
    read = "GET /v1/status" if route == STREAMS[0] else "GET /v1/requests/{name}"
    for who, expected in table()[read].items():
        with world.clients[who].stream("GET", world.path(route)) as answer:
            assert str(answer.status_code) == expected, who


CLASSES = """
                      other grouped granted guest anonymous
closed                404   404     200     404   401
closed export         404   404     403     404   401
shared_closed         404   200     200     404   401
shared_closed export  404   200     403     404   401
open                  200   200     200     200   200
open export           200   200     200     200   200
"""


def test_data_open_to_others_by_their_class(world: World) -> None:
    campaign = world.names["campaign"]
    with world.served.client() as admin:
        admin.post("/v1/people", json={"id": "a.grouped", "groups": ["consortium"]}, headers=once())
        admin.post("/v1/people", json={"id": "a.granted"}, headers=once())
        made = [
            admin.post("/v1/keys", json={"name": "x", "owner": who}, headers=once())
            for who in ("a.grouped", "a.granted")
        ]
        keys = [one.json()["secret"] for one in made]
    steward = world.clients["data_steward"]
    grant = steward.put(f"/v1/campaigns/{campaign}/grants/a.granted", json={"because": "x"}, headers=once())
    assert grant.status_code == 200, grant.text
    clients = {**world.clients, "grouped": world.served.client(keys[0]), "granted": world.served.client(keys[1])}
    first, *lines = CLASSES.strip("\n").splitlines()
    for line in lines:
        words, cells = line[:21].split(), line[21:].split()
        body = {"data_class": words[0], "groups": ["consortium"] if words[0] == "shared_closed" else [], "because": "x"}
        body["export_control"] = "not_controlled"
        classed = steward.put(f"/v1/campaigns/{campaign}/data-class", json=body, headers=once())
        assert classed.status_code == 200, classed.text
        paths = ["/export"] if "export" in words else ["", "/experiments", "/events", "/space"]
        for who, expected in zip(first.split(), cells, strict=True):
            found = {path: clients[who].get(f"/v1/campaigns/{campaign}{path}").status_code for path in paths}
            assert found == dict.fromkeys(paths, int(expected)), (words, who)
    for client in (clients["grouped"], clients["granted"]):
        client.close()
