"""What was found leaves the lab: by whom, by which links, for how long, and from which service."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import pytest

from labwright.journal import journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import join
from tests.service.desk.asking import accepted, asked, made, post, until
from tests.service.served import Served, once

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def delivered(served: Served, people: dict[str, str]) -> str:
    """A request that was delivered."""
    with served.client(people["ada"]) as ada:
        name = made(ada, asked())
        accepted(served, people, name)
        until(ada, name, "delivered")
    return name


@pytest.fixture
def clients(served: Served, people: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    keys = {**people, "anyone": "", "admin": served.admin}
    opened = {who: served.client(key) for who, key in keys.items()}
    yield opened
    for one in opened.values():
        one.close()


def member(served: Served, who: str) -> str:
    """A key of a further requester of the project."""
    key = served.person(who)
    with Door(door_place(journal_file(served.data))) as door, door.writing() as connection:
        join(connection, "solar", who, "requester")
    return key


def linked(client: httpx.Client, name: str) -> str:
    answer = post(client, f"/v1/requests/{name}/deliveries")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["path"])


def test_a_link_works_as_long_as_its_maker_may_export(
    served: Served, clients: dict[str, httpx.Client], delivered: str
) -> None:
    admin, anyone = clients["admin"], clients["anyone"]
    for who, ends in (("lea", "/v1/projects/solar/members/lea"), ("dis", "/v1/people/dis")):
        with served.client(member(served, who)) as maker:
            path = linked(maker, delivered)
        assert anyone.get(path).status_code == 200
        assert admin.delete(ends, headers=once()).status_code == 200
        gone = anyone.get(path)
        assert (gone.status_code, "may export this no more" in gone.json()["detail"]) == (404, True), who


def test_links_are_listed_and_withdrawn(clients: dict[str, httpx.Client], delivered: str) -> None:
    ada, eve, anyone = clients["ada"], clients["eve"], clients["anyone"]
    place = f"/v1/requests/{delivered}/deliveries"
    paths = [linked(ada, delivered) for _ in range(2)]
    assert anyone.get(paths[0]).status_code == 200
    items = ada.get(place).json()["items"]
    assert [(one["made_by"], one["fetched"], one["over"]) for one in items[:2]] == [
        ("ada", 0, False),
        ("ada", 1, False),
    ]
    assert {*items[0]} == {"made_by", "made_s", "expires_s", "fetched", "revoked_s", "over"}
    assert eve.delete(place, headers=once()).status_code == 404
    first = once()
    for _ in range(2):  # sent again: answered as before
        withdrawn = ada.delete(place, headers=first).json()
        assert withdrawn["links_withdrawn"] >= 2
    assert [anyone.get(path).status_code for path in paths] == [404, 404]
    assert all(one["over"] for one in ada.get(place).json()["items"])
    assert anyone.get(place).status_code == 401


def test_programs_hand_on_nothing_and_end_nothing_of_others(
    clients: dict[str, httpx.Client], served: Served, delivered: str
) -> None:
    admin = clients["admin"]
    admin.post("/v1/people", json={"id": "droid", "agent": True}, headers=once())
    admin.put("/v1/projects/solar/members/droid", json={"role": "agent"}, headers=once())
    key = admin.post("/v1/keys", json={"name": "d", "owner": "droid"}, headers=once()).json()["secret"]
    with served.client(key) as droid:
        assert droid.get(f"/v1/requests/{delivered}/delivery").status_code == 200
        refused = post(droid, f"/v1/requests/{delivered}/deliveries")
        assert (refused.status_code, "takes a person" in refused.json()["detail"]) == (403, True)
        campaign = droid.get(f"/v1/requests/{delivered}").json()["campaign"]
        for verb in ("stop", "pause"):
            answer = post(droid, f"/v1/campaigns/{campaign}/{verb}", because="no")
            assert (answer.status_code, "ends only its own" in answer.json()["detail"]) == (403, True)


def test_no_link_leads_to_what_is_controlled(
    clients: dict[str, httpx.Client], served: Served, people: dict[str, str]
) -> None:
    ada = clients["ada"]
    control = {"status": "controlled", "regime": "METI", "item": "1-2"}
    name = made(ada, asked(export_control=control))
    accepted(served, people, name)
    until(ada, name, "delivered")
    refused = post(ada, f"/v1/requests/{name}/deliveries")
    assert (refused.status_code, "no link leads to it" in refused.json()["detail"]) == (409, True)
    assert ada.get(f"/v1/requests/{name}/delivery").status_code == 200


def test_each_bundle_that_is_fetched_is_in_the_audit_trail(clients: dict[str, httpx.Client], delivered: str) -> None:
    ada, admin = clients["ada"], clients["admin"]

    def rows() -> list[str]:
        found = admin.get("/v1/audit", params={"actor": "ada", "limit": 500}).json()["items"]
        return [one["target"] for one in found if one["action"] == "data.export" and one["allowed"]]

    before = rows()
    assert ada.get(f"/v1/requests/{delivered}/delivery").status_code == 200
    assert rows() == [*before, f"request/{delivered}"]
    shut = {"data_class": "closed", "because": "once more"}
    put = clients["tom"].put(f"/v1/requests/{delivered}/data-class", json=shut, headers=once()).json()
    assert ("ada", f"request/{delivered}") in [(one["by"], one["what"]) for one in put["exported_before"]]


def test_a_service_that_has_not_delivered_writes_the_bundle_itself(
    served: Served, clients: dict[str, httpx.Client], delivered: str
) -> None:
    """As beside another service's data folder, where neither the bundle nor all of the raw runs are."""
    ada = clients["ada"]

    def about() -> tuple[dict[str, object], list[str]]:
        with zipfile.ZipFile(io.BytesIO(ada.get(f"/v1/requests/{delivered}/delivery").content)) as bundle:
            runs = [one.removeprefix("runs/").removesuffix(".jsonl") for one in bundle.namelist() if "runs/" in one]
            return orjson.loads(bundle.read("request.json")), runs

    first, runs = about()
    assert (first["missing_runs"], len(runs) > 0) == ([], True)
    path = served.data / "deliveries" / f"{delivered}.zip"
    path.unlink()
    with ThreadPoolExecutor(4) as at_once:  # none of them sees half of what another one writes
        found = list(at_once.map(lambda _: about()[1], range(4)))
    assert found == [runs] * 4
    path.unlink()
    (lost,) = [one for one in (served.data / "runs").rglob("*") if one.is_file() and runs[0] in one.name][:1]
    lost.rename(lost.with_suffix(".elsewhere"))
    try:
        second, left = about()
    finally:
        lost.with_suffix(".elsewhere").rename(lost)
    assert (second["missing_runs"], left) == ([runs[0]], runs[1:])
    assert [one.name for one in path.parent.iterdir() if one.name.endswith(".part")] == []
    draft = ada.post("/v1/requests", json=asked(), headers=once()).json()["id"]
    early = ada.get(f"/v1/requests/{draft}/delivery")
    assert (early.status_code, "nothing was delivered yet" in early.json()["detail"]) == (409, True)
