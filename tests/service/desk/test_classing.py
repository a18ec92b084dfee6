"""Who sees what was found: by class, by group, by name, and not before its time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.service.desk.asking import accepted, asked, made, post, until
from tests.service.served import Served, once

pytestmark = pytest.mark.long


def classed(client: httpx.Client, name: str, **body: Any) -> httpx.Response:
    body = {"because": "agreed with the project", **body}
    return client.put(f"/v1/requests/{name}/data-class", json=body, headers=once())


def test_data_are_closed_until_a_steward_says_otherwise(served: Served, people: dict[str, str]) -> None:
    dan = served.person("dan", "data_steward")
    with served.client() as admin:
        for who, groups in (("gus", []), ("con", ["consortium"])):
            admin.post("/v1/people", json={"id": who, "groups": groups}, headers=once())
        keys = {
            who: admin.post("/v1/keys", json={"name": "k", "owner": who}, headers=once()).json()["secret"]
            for who in ("gus", "con")
        }
    with served.client(people["ada"]) as ada:
        name = made(ada, asked())
        accepted(served, people, name)
        campaign = until(ada, name, "delivered")["campaign"]
    place = f"/v1/campaigns/{campaign}"

    def sees() -> dict[str, bool]:
        found = {}
        clients = {"ada": people["ada"], "eve": people["eve"], "con": keys["con"], "gus": keys["gus"], "anyone": ""}
        for who, key in clients.items():
            with served.client(key) as client:
                there = [one["campaign"] for one in client.get("/v1/campaigns").json()["items"]]
                answer = client.get(f"{place}/export").status_code
                assert (campaign in there) == (answer == 200), (who, there, answer)
                found[who] = answer == 200
        return found

    closed = {"ada": True, "eve": False, "con": False, "gus": False, "anyone": False}
    assert sees() == closed
    with served.client(dan) as steward, served.client(people["tom"]) as tom, served.client(people["ada"]) as ada:
        opened = {"data_class": "open", "export_control": "not_controlled", "licence": "CC-BY-4.0"}
        assert classed(ada, name, **opened).status_code == 403  # who asked for it does not loosen it
        assert classed(tom, name, **opened).status_code == 403
        wrong = classed(steward, name, data_class="open")
        assert (wrong.status_code, "cannot be open" in wrong.json()["detail"]) == (409, True)
        kept = classed(steward, name, **opened, embargo={"years": 2}).json()
        assert (kept["data_class"], kept["effective"]) == ("open", "closed")
        assert sees() == closed
        shared = {"data_class": "shared_closed", "groups": ["consortium"], "export_control": "not_controlled"}
        assert classed(steward, name, **shared).json()["effective"] == "shared_closed"
        assert sees() == {**closed, "con": True}
        assert classed(steward, name, **opened).json()["effective"] == "open"
        assert sees() == dict.fromkeys(closed, True)
        link = post(ada, f"/v1/requests/{name}/deliveries").json()["path"]
        assert tom.get(link).status_code == 200
        shut = classed(tom, name, data_class="closed")  # an operator may tighten it, and learns what is out
        assert (shut.status_code, shut.json()["links_withdrawn"]) == (200, 1)
        out = [(one["by"], one["what"], one["because"]) for one in shut.json()["exported_before"]]
        assert out[0] == ("anonymous", f"request/{name}", "link of ada")
        assert ("ada", f"data/{campaign}", "") in out
        assert tom.get(link).status_code == 404
        assert sees() == closed
        grant = {"because": "a visitor", "until": "2099-01-01T00:00:00Z"}
        assert steward.put(f"/v1/requests/{name}/grants/gus", json=grant, headers=once()).status_code == 200
    with served.client(keys["gus"]) as guest:
        assert [one["id"] for one in guest.get("/v1/requests").json()["items"]] == [name]
        assert guest.get(place).status_code == 200
        assert guest.get(f"{place}/export").status_code == 403  # to look, and not to take away
        assert post(guest, f"/v1/requests/{name}/cancel", because="no").status_code == 403
    with served.client(dan) as steward:
        steward.delete(f"/v1/requests/{name}/grants/gus", headers=once())
    assert sees() == closed
