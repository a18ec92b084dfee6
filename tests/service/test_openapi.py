"""The service against its own description, with what schemathesis makes of it: every route, for every role.

`make test` sends a few requests to each route as each role; `make soak` sends many, to a lab that runs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from labwright.cli.init import make_lab
from labwright.service.describing import WITHOUT_KEY
from tests.service.described import description, differences, strict
from tests.service.served import once, serving
from tests.service.test_admin import alone_in

ROLES = ("viewer", "operator", "safety_reviewer", "data_steward", "admin")
"""In the whole lab."""

OF_PROJECT = ("requester", "agent")

MISTAKES = ["400", "401", "403", "404", "409", "412", "413", "422", "428", "429", "503"]
"""What a valid request may be answered with: rules of the lab are not in the schema, and no controller may run."""

CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", *MISTAKES]},
        "negative_data_rejection": {"expected-statuses": [*MISTAKES, "405", "406", "415", "431"]},
        # It spoils one credential (the cookie) and leaves the other (the key) as it was: that is let in, and should be.
        "ignored_auth": {"enabled": False},
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
    }
}

STREAMS = ("GET /v1/events", "GET /v1/requests/{name}/events")
"""They have no end; their own tests read them."""


class Wire:
    """A service, with a key for each role."""

    def __init__(self, url: str, admin: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.keys = {"admin": admin, "anonymous": "", "guest": ""}
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {admin}"}, timeout=60) as client:
            self.described: dict[str, Any] = client.get("/openapi.json").json()
            client.post("/v1/projects", json={"id": "solar"}, headers=once())
            for role in (*ROLES, "guest", *OF_PROJECT):
                roles = [role] if role in ROLES else []
                body = {"id": f"a.{role}", "roles": roles, "agent": role == "agent"}
                assert client.post("/v1/people", json=body, headers=once()).status_code == 201
                if role in OF_PROJECT:
                    place = f"/v1/projects/solar/members/a.{role}"
                    assert client.put(place, json={"role": role}, headers=once()).status_code == 200
                made = client.post("/v1/keys", json={"name": "x", "owner": f"a.{role}"}, headers=once())
                self.keys[role] = made.json()["secret"]
        self.keys["admin"] = admin  # the other one may lose its role by what is sent

    def close(self) -> None:
        self.session.close()

    def send(self, role: str, mode: GenerationMode, case: Case[Any]) -> None:
        """Send a request as a role, and hold the answer against the description."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if self.keys[role] else {}
        if mode is GenerationMode.POSITIVE:
            headers["Idempotency-Key"] = uuid.uuid4().hex
        answer = case.call(base_url=self.url, headers=headers, session=self.session, timeout=120)
        case.validate_response(answer)


def failures(wire: Wire, roles: tuple[str, ...], examples: int) -> list[str]:
    """What is not as it is described."""
    found: list[str] = []
    schema = schemathesis.openapi.from_dict(strict(wire.described), config=schemathesis.Config.from_dict(CONFIG))
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.label not in STREAMS:
            found += _failures_of(wire, operation, GenerationMode.POSITIVE, roles, examples)
            if _can_be_wrong(wire.described["paths"][operation.path][operation.method]):
                found += _failures_of(wire, operation, GenerationMode.NEGATIVE, roles[-2:], examples)
    return found


def _can_be_wrong(described: dict[str, Any]) -> bool:
    """Whether there is anything that is more than a text."""
    parameters = [one for one in described.get("parameters", ()) if one["schema"].get("type") != "string"]
    return bool(parameters) or "requestBody" in described


def _failures_of(wire: Wire, operation: Any, mode: GenerationMode, roles: tuple[str, ...], examples: int) -> list[str]:
    found: list[str] = []

    def check(case: Case[Any]) -> None:
        for role in roles:
            try:
                wire.send(role, mode, case)
            except FailureGroup as failure:
                found.append(f"{role}: {operation.label}: {failure.exceptions}")

    limits = settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    limits(given(case=operation.as_strategy(generation_mode=mode))(check))()
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    rates = dict.fromkeys(("key", "address", "expensive", "wrong", "wrong_for"), 1_000_000)
    with alone_in(tmp_path_factory.mktemp("alone"), rates=rates) as one:
        wire = Wire(one.url, one.key)
        yield wire
        wire.close()


def test_each_answer_is_described_by_a_schema_with_a_name(alone: Wire) -> None:
    described = alone.described
    assert described == description()
    schemas = described["components"]["schemas"]
    ids = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    assert sorted(set(ids)) == sorted(ids)
    assert all(re.fullmatch(r"[a-z]+_[a-z_]+", one) and len(one) < 40 for one in ids)
    assert not [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            for status in {"200", "201", "202"} & set(operation["responses"]):
                for media, content in operation["responses"][status]["content"].items():
                    named = set(content["schema"]) == {"$ref"}
                    assert named == (media == "application/json"), (method, path, status, content)
    for name, schema in schemas.items():
        missing = [field for field, one in schema.get("properties", {}).items() if not one.get("description")]
        assert schema.get("description"), name
        assert not missing, (name, missing)


ME: dict[str, Any] = {"id": "ada", "name": "Ada", "roles": [], "projects": {}, "groups": [], "only": None}


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/v1/me", httpx.Response(200, json=ME), None),
        ("/v1/me", httpx.Response(200, json={**ME, "age": 36}), "'age' was unexpected"),
        ("/v1/me", httpx.Response(200, json={**ME, "only": "all"}), "/only: "),
        ("/v1/me", httpx.Response(200, json={"id": "ada"}), '"name" is a required property'),
        ("/v1/me", httpx.Response(200, text="ada"), "media type 'text/plain'"),
        ("/v1/me", httpx.Response(202, json=ME), "status 202 is not described"),
        ("/v1/me", httpx.Response(200, json=ME, headers={"ETag": '"1"'}), "headers ['ETag']"),
        ("/v1/people/ada", httpx.Response(304), "headers []"),
        ("/v1/people", httpx.Response(200, json={"items": []}), "without a key"),
        ("/v1/people", httpx.Response(401, json={"code": "unauthenticated"}), "media type 'application/json'"),
        ("/nowhere", httpx.Response(200), None),
    ],
)
def test_what_is_not_as_described_is_found(path: str, answer: httpx.Response, words: str | None) -> None:
    answer.request = httpx.Request("GET", f"http://lab{path}")
    wrong = differences("GET", path, answer)
    assert wrong == [] if words is None else any(words in one for one in wrong), wrong


def test_what_is_answered_later_names_its_place(alone: Wire) -> None:
    later = {
        operation["operationId"]: operation["responses"]["202"]
        for methods in alone.described["paths"].values()
        for operation in methods.values()
        if "202" in operation["responses"]
    }
    assert len(later) > 15
    assert all("Location" in one["headers"] for one in later.values())
    assert later["campaigns_pause"]["content"]["application/json"]["schema"]["$ref"].endswith("/Command")
    assert alone.described["components"]["schemas"]["Command"]["required"] == ["command", "state"]


@pytest.mark.long
def test_every_answer_to_every_role_is_as_described(alone: Wire) -> None:
    assert failures(alone, ("anonymous", "guest", *OF_PROJECT, *ROLES), 1) == []


def test_an_idempotency_key_is_asked_for_where_it_is_described(alone: Wire) -> None:
    missing = []
    with httpx.Client(base_url=alone.url, headers={"Authorization": f"Bearer {alone.keys['admin']}"}) as client:
        for path, methods in alone.described["paths"].items():
            for method, operation in methods.items():
                route = f"{method.upper()} {path}"
                described = "Idempotency-Key" in [one["name"] for one in operation.get("parameters", ())]
                assert described == (method != "get" and route not in WITHOUT_KEY), route
                if route in STREAMS:
                    continue
                answer = client.request(
                    method, re.sub(r"\{things\}", "requests", path).replace("{", "").replace("}", "")
                )
                if "key_required" in answer.text and not described:
                    missing.append(route)
    assert missing == []


@pytest.mark.soak
@pytest.mark.parametrize("role", [*ROLES, *OF_PROJECT, "guest", "anonymous"])
def test_many_requests_of_one_role_to_a_lab_that_runs(tmp_path: Any, role: str) -> None:
    make_lab(tmp_path / "mine")
    with serving(tmp_path / "mine", tmp_path / "var", "--speed", "100") as served:
        wire = Wire(served.url, served.admin)
        found = failures(wire, (role,), 40)
        assert found == [], "\n".join(found[:20])
        wire.close()
