"""The life of requests against a real lab on simulated instruments: asked for, reviewed, carried out, delivered."""

from __future__ import annotations

import io
import time
import zipfile

import httpx
import orjson
import sqlalchemy as sa

from labwright.journal import Journal, journal_file, schema
from labwright.service.database import Door, door_place
from labwright.service.desk import requests
from labwright.service.schema import request
from tests.service.desk.asking import SOLVENT, accepted, asked, made, post, until, until_true
from tests.service.served import Served, once


def test_a_request_from_the_draft_to_its_data(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        look = ada.post("/v1/requests:validate", json=asked()).json()
        assert look["valid"], look
        cost = look["quote"]["cost"]
        assert cost == {"currency": "JPY", "fixed": 1000, "experiment": 200, "whole": 1200}
        assert look["quote"]["ends_in_s"] >= 300
        body = asked(runs=[{"temperature": {"value": t, "unit": "degC"}} for t in (40, 40, 60)])
        del body["parameters"]
        name = made(ada, body)
        assert accepted(served, people, name)["state"] == "approved"
        shown = until(ada, name, "delivered")
        assert shown["campaign"].startswith(f"request_{name[1:]}-")
        assert shown["outcome"]["experiments"] == 3
        assert shown["charges"]["cost"] == {"reserved": 1600, "charged": 1600}  # what was quoted is charged
        history = [one["after"] for one in ada.get(f"/v1/requests/{name}/history").json()["items"]]
        assert history == [
            *("draft", "submitted", "validated", "under_review", "under_review", "approved", "queued", "running"),
            *("completed", "delivered"),
        ]
        with zipfile.ZipFile(io.BytesIO(ada.get(f"/v1/requests/{name}/delivery").content)) as bundle:
            rows = bundle.read("experiments.csv").decode().splitlines()
            assert [row.split(",")[1] for row in rows] == ["temperature / degC", "40.0", "40.0", "60.0"]
            crate = orjson.loads(bundle.read("ro-crate-metadata.json"))
            assert {one["@id"] for one in crate["@graph"]} > {"experiments.csv", "report.html", "request.json"}
            assert any(one.startswith("runs/") for one in bundle.namelist())
        with served.client() as admin:
            trace = [one["detail"]["trace"] for one in ada.get(f"/v1/requests/{name}/history").json()["items"][3:5]][1]
            led_to = admin.get(f"/v1/traces/{trace}").json()
        assert [one["action"] for one in led_to["audit"]] == ["request.review"]
        assert (led_to["campaigns"], led_to["operations"][0]["device"]) == ([shown["campaign"]], "heater")
        link = post(ada, f"/v1/requests/{name}/deliveries", days=1).json()
        assert post(ada, f"/v1/requests/{name}/close").json()["state"] == "closed"
    with served.client("") as anyone:
        assert anyone.get(link["path"]).headers["content-type"] == "application/zip"
        assert anyone.get(link["path"][:-1] + "x").json()["code"] == "not_found"
        assert anyone.get(f"/v1/requests/{name}/delivery").status_code == 401


def test_who_asks_does_not_decide_and_programs_decide_nothing(served: Served, people: dict[str, str]) -> None:
    both = served.person("both", "operator")  # an operator who also asks
    with served.client() as admin:
        admin.put("/v1/projects/solar/members/both", json={"role": "requester"}, headers=once())
        admin.post("/v1/people", json={"id": "robot", "agent": True}, headers=once())
        admin.put("/v1/projects/solar/members/robot", json={"role": "agent"}, headers=once())
        robot = admin.post("/v1/keys", json={"name": "r", "owner": "robot"}, headers=once()).json()["secret"]
    with served.client(both) as asker, served.client(robot) as program, served.client(people["eve"]) as other:
        name = made(asker, asked())
        shown = asker.get(f"/v1/requests/{name}").json()
        mine = {"kind": "technical", "decision": "accept", "digest": shown["digest"], "because": "mine"}
        answer = post(asker, f"/v1/requests/{name}/reviews", **mine)
        assert (answer.status_code, "does not review it" in answer.json()["detail"]) == (403, True)
        assert program.get(f"/v1/requests/{name}").status_code == 200
        assert post(program, f"/v1/requests/{name}/reviews", **mine).status_code == 403
        assert other.get(f"/v1/requests/{name}").json()["code"] == "not_found"  # of another project
        assert name not in [one["id"] for one in other.get("/v1/requests").json()["items"]]
        drafted = made(program, asked(title="by a program"))
        with served.client(people["tom"]) as tom, served.client(people["sam"]) as sam:
            wrong = post(tom, f"/v1/requests/{drafted}/reviews", **mine)
            assert (wrong.status_code, wrong.json()["code"]) == (412, "precondition")  # of another content
            seen = {**mine, "digest": tom.get(f"/v1/requests/{drafted}").json()["digest"]}
            assert post(tom, f"/v1/requests/{drafted}/reviews", **seen).json()["state"] == "under_review"
            again = post(tom, f"/v1/requests/{drafted}/reviews", **seen)
            assert (again.status_code, "has accepted it already" in again.json()["detail"]) == (409, True)
            assert post(tom, f"/v1/requests/{drafted}/reviews", **{**seen, "kind": "safety"}).status_code == 403
            no = {**seen, "kind": "safety", "decision": "reject", "because": "no programs today"}
            assert post(sam, f"/v1/requests/{drafted}/reviews", **no).json()["state"] == "rejected"
            late = post(sam, f"/v1/requests/{drafted}/reviews", **no)
            assert (late.status_code, late.json()["code"]) == (409, "state")
        assert post(asker, f"/v1/requests/{name}/cancel", because="it was for the test").json()["state"] == "cancelled"


def test_an_edit_after_the_approval_returns_it_and_samples_are_waited_for(
    served: Served, people: dict[str, str]
) -> None:
    with served.client(people["ada"]) as ada, served.client(people["tom"]) as tom:
        name = made(ada, asked(samples=[SOLVENT]))
        shown = accepted(served, people, name)
        assert (shown["state"], shown["waits_for"]) == ("awaiting_samples", "waits for 1 samples")
        body = asked(samples=[SOLVENT], parameters={"temperature": {"value": 60, "unit": "degC"}})
        path = f"/v1/requests/{name}"
        assert ada.put(path, json=body, headers=once()).json()["code"] == "precondition_required"
        stale = {"If-Match": '"1234"', **once()}
        assert ada.put(path, json=body, headers=stale).json()["code"] == "precondition"
        fresh = {"If-Match": ada.get(path).headers["etag"], **once()}
        edited = ada.put(path, json=body, headers=fresh).json()
        assert (edited["state"], edited["charges"], [one["void"] for one in edited["reviews"]]) == (
            *("submitted", {}),
            [True, True],
        )
        until(ada, name, "validated")
        accepted(served, people, name)
        assert post(ada, f"{path}/samples/S-1/arrival", barcode="B-1").status_code == 403
        assert post(tom, f"{path}/samples/S-2/arrival", barcode="B-1").status_code == 404
        here = post(tom, f"{path}/samples/S-1/arrival", barcode="B-1", place="fridge 2").json()
        assert (here["state"], here["samples"][0]["barcode"]) == ("queued", "B-1")
        early = post(tom, f"{path}/samples/S-1/departure", gone="returned")
        assert early.json()["code"] == "state"
        until(ada, name, "delivered")
        gone = post(tom, f"{path}/samples/S-1/departure", gone="returned", because="parcel 17").json()
        assert gone["samples"][0]["gone"] == "returned"


def test_what_runs_is_aborted_and_charged_for_what_was_done(served: Served, people: dict[str, str]) -> None:
    body = asked(runs=[{"temperature": {"value": 30 + one, "unit": "degC"}} for one in range(30)])
    del body["parameters"]
    with served.client(people["ada"]) as ada:
        name = made(ada, body)
        accepted(served, people, name)
        until(ada, name, "running")
        refused = post(ada, f"/v1/requests/{name}/cancel", because="too late")
        assert (refused.status_code, "possible is" in refused.json()["detail"]) == (409, True)
        assert post(ada, f"/v1/requests/{name}/abort", because="I was wrong").status_code == 200
        shown = until(ada, name, "delivered")
        assert "aborted by ada: I was wrong" in shown["outcome"]["reason"]
        events = ada.get(f"/v1/requests/{name}/history").json()["items"]
        (trace,) = [one["detail"]["trace"] for one in events if one["event"] == "ask_abort"]
        with served.client() as admin:
            stops = [one["kind"] for one in admin.get(f"/v1/traces/{trace}").json()["commands"]]
        assert stops == ["stop"]  # one trace from the request to what it has stopped
        done = shown["outcome"]["experiments"]
        assert done < 30
        assert shown["outcome"]["charged"]["cost"] == (1000 + 200 * done if done else 0)
        assert shown["charges"]["experiments"]["charged"] == done


def test_two_requests_that_one_quota_has_room_for_once(served: Served, people: dict[str, str]) -> None:
    with served.client() as admin, served.client(people["eve"]) as eve:
        limit = {"cost": 1500.0}
        assert eve.put("/v1/projects/wind/quota", json=limit, headers=once()).status_code == 403
        assert admin.put("/v1/projects/wind/quota", json=limit, headers=once()).status_code == 200
        first, second = made(eve, asked(project="wind")), made(eve, asked(project="wind"))
        assert accepted(served, people, first)["state"] == "approved"
        waits = accepted(served, people, second)
        assert waits["state"] == "under_review"
        assert "1200 cost are needed, 300 of 1500 are left" in waits["waits_for"]
        assert eve.get("/v1/projects/wind/quota").json()["cost"] == {"amount": 1500, "reserved": 1200, "charged": 0}
        admin.put("/v1/projects/wind/quota", json={"cost": 2400.0}, headers=once())
        until(eve, second, "delivered")
        assert eve.get("/v1/projects/wind/quota").json()["cost"] == {"amount": 2400, "reserved": 0, "charged": 2400}


def test_everything_that_is_wrong_is_said_at_once_with_its_place(served: Served, people: dict[str, str]) -> None:
    acid = {**SOLVENT, "label": "A", "cas": ["64-17-6"], "groups": ["oxidiser"], "hazards": ["H272"], "sheet": None}
    body = asked(
        parameters={"temperature": {"value": 400, "unit": "degC"}, "presure": {"value": 1, "unit": "bar"}},
        terms="2020",
        samples=[SOLVENT, acid, {**SOLVENT, "form": "powder"}],
        data_class="open",
        export_control={"status": "unreviewed"},
    )
    with served.client(people["ada"]) as ada:
        found = ada.post("/v1/requests:validate", json=body).json()
        places = {(one["pointer"], one["code"]) for one in found["problems"]}
        assert places == {
            ("/terms", "terms"),
            ("/data_class", "export_control"),
            ("/parameters/temperature", "value"),
            ("/parameters/presure", "unknown_parameter"),
            ("/samples/1", "sheet"),
            ("/samples/1/cas/0", "cas"),
            ("/samples/1/hazards", "hazard"),
            ("/samples/1/groups", "incompatible"),
            ("/samples/2/groups", "incompatible"),
            ("/samples/2/label", "label_twice"),
            ("/samples/2/amount/unit", "unit"),
        }
        draft = ada.post("/v1/requests", json=body, headers=once()).json()["id"]
        refused = post(ada, f"/v1/requests/{draft}/submit")
        assert (refused.status_code, len(refused.json()["errors"])) == (422, len(found["problems"]))
        assert ada.get(f"/v1/requests/{draft}").json()["state"] == "draft"
        for wrong, code in (
            ({"protocol": {"name": "warm_up", "version": "0"}}, "protocol_version"),
            ({"protocol": {"name": "cool_down", "version": "1"}}, "protocol"),
            ({"parameters": {"temperature": 50}}, "unit"),
            ({"parameters": {"temperature": {"value": 323, "unit": "K"}}}, "unit"),
            ({"parameters": {}}, "missing_parameter"),
            ({"cost_most": 10.0}, "cost"),
        ):
            answer = ada.post("/v1/requests:validate", json=asked(**wrong)).json()
            assert [one["code"] for one in answer["problems"]] == [code], answer
        searched = {
            "space": {
                "parameters": [{"type": "real", "name": "temperature", "unit": "degC", "low": 20, "high": 900}],
                "pool": {"file": "../../etc/passwd"},
            },
            "objective": {"name": "glowing", "goal": "max", "unit": "1"},
            "budget": 5000,
            "planner": {"name": "evil"},
        }
        body = {**asked(), "campaign": searched}
        del body["parameters"]
        answer = ada.post("/v1/requests:validate", json=body).json()
        places = {(one["pointer"], one["code"]) for one in answer["problems"]}
        assert places == {
            ("/campaign/space/pool", "not_allowed"),
            ("/campaign/planner/name", "planner"),
            ("/campaign/budget", "too_many"),
            ("/campaign/objective/name", "campaign"),
            ("/campaign/space/parameters/0/high", "campaign"),
        }, answer


def test_bodies_that_are_not_taken_at_all(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        for wrong, pointer in (
            ({"parameters": {"temperature": {"value": "50", "unit": "degC"}}}, "/parameters/temperature/value"),
            ({"tilte": "x"}, "/tilte"),
            ({"runs": [{}]}, ""),
            ({"title": "turned \u202e around"}, "/title"),
            ({"notes": "\x1b[31m"}, "/notes"),
            ({"samples": [{**SOLVENT, "label": "../../x"}]}, "/samples/0/label"),
            ({"project": "sоlar"}, "/project"),  # a Cyrillic o
            ({"data_class": "public"}, "/data_class"),
        ):
            answer = ada.post("/v1/requests:validate", json=asked(**wrong))
            assert answer.status_code == 422, answer.text
            assert pointer in [one.get("pointer") for one in answer.json()["errors"]], answer.json()["errors"]
        raw = orjson.dumps(asked()).decode().replace("50", "NaN")
        assert (
            ada.post("/v1/requests:validate", content=raw, headers={"Content-Type": "application/json"}).json()["code"]
            == "not_a_number"
        )


def test_what_the_lab_offers_is_for_everyone(served: Served) -> None:
    with served.client("") as anyone:
        offered = anyone.get("/v1/capabilities").json()
        assert offered["open"] is True
        assert [one["name"] for one in offered["protocols"]] == ["warm_up"]
        assert offered["protocols"][0]["parameters"][0]["allowed"] == "20 to 90 degC"
        assert offered["stations"]["heating"]["hazards"] == ["H225"]
        assert offered["terms"] == "2026-04"
        assert anyone.post("/v1/requests:validate", json=asked()).status_code == 401


def test_a_request_is_listened_to_and_resumed(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        with ada.stream("GET", "/v1/requests/R9999/events") as refused:
            assert (refused.status_code, b'"code":"not_found"' in refused.read()) == (404, True)
        name = made(ada, asked())
        ids: list[int] = []
        with ada.stream("GET", f"/v1/requests/{name}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("id:"):
                    ids.append(int(line.removeprefix("id:")))
                if len(ids) == 2:
                    break
        post(ada, f"/v1/requests/{name}/cancel", because="enough")
        with ada.stream("GET", f"/v1/requests/{name}/events", headers={"Last-Event-ID": str(ids[-1])}) as stream:
            events = (line for line in stream.iter_lines() if line.startswith("event:"))
            assert [next(events), next(events)] == ["event: find_valid", "event: cancel"]


def test_what_happens_in_ones_own_campaign_is_listened_to(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada, served.client(people["eve"]) as eve:
        name = made(ada, asked())
        accepted(served, people, name)
        campaign = until(ada, name, "delivered")["campaign"]
        stream = {"campaign": campaign, "after": 0}
        with ada.stream("GET", "/v1/events", params=stream) as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("event:"))
            assert next(lines) == "event: started"
        assert ada.get("/v1/events").status_code == 403  # of the whole lab it takes a viewer
        for wrong in (stream, {"campaign": "none-1"}):
            assert eve.get("/v1/events", params=wrong).status_code == 403


def test_what_was_approved_is_carried_out_whatever_becomes_of_who_asked(served: Served, people: dict[str, str]) -> None:
    key = served.person("temp", "requester", project="fleeting")
    with served.client(key) as temp, served.client() as admin:
        name = made(temp, asked(project="fleeting"))
        accepted(served, people, name)
        assert admin.delete("/v1/people/temp", headers=once()).status_code == 200
        assert temp.get(f"/v1/requests/{name}").status_code == 401
        shown = until(admin, name, "delivered")
        with Journal.reading(journal_file(served.data)) as journal:
            (row,) = journal.logged(schema.event.c.kind == "started", most=1000)[-1:]
        assert (shown["state"], row.payload["by"]) == ("delivered", f"request {name} of temp")


def test_an_abort_right_after_the_approval_leaves_no_campaign_behind(served: Served, people: dict[str, str]) -> None:
    body = asked(runs=[{"temperature": {"value": 30 + one, "unit": "degC"}} for one in range(30)])
    del body["parameters"]
    with served.client(people["ada"]) as ada:
        for wait_s in (0.0, 0.2, 0.6, 1.0):  # before, while and after it is handed over
            name = made(ada, body)
            accepted(served, people, name)
            until(ada, name, "queued", "running")
            time.sleep(wait_s)
            assert post(ada, f"/v1/requests/{name}/abort", because="no").status_code == 200
            shown = until(ada, name, "delivered")
            assert shown["outcome"]["experiments"] < 30
            with Journal.reading(journal_file(served.data)) as journal:
                mine = journal.rows(schema.campaign, schema.campaign.c.name == f"request_{name[1:]}")
            assert [(one["id"], one["state"]) for one in mine] in ([], [(shown["campaign"], "stopped")])


def test_what_was_approved_for_some_instruments_is_not_done_on_others(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada, served.client(people["tom"]) as tom:
        name = made(ada, asked(samples=[SOLVENT]))
        accepted(served, people, name)
        with Door(door_place(journal_file(served.data))) as door, door.writing() as connection:
            row = requests.row_of(connection, int(name[1:]))
            kept = requests.appraisal_of(row).model_copy(update={"instruments": "real"})
            values = {"appraisal": kept.model_dump_json()}
            connection.execute(sa.update(request).where(request.c.n == row["n"]).values(**values))
        post(tom, f"/v1/requests/{name}/samples/S-1/arrival", barcode=f"B-{name}")
        until_true(lambda: "never mixed" in ada.get(f"/v1/requests/{name}").json()["waits_for"])
        assert post(ada, f"/v1/requests/{name}/cancel", because="another lab").json()["state"] == "cancelled"


def test_a_sample_that_has_come_is_neither_left_out_nor_another_one(served: Served, people: dict[str, str]) -> None:
    two: list[dict[str, object]] = [{**SOLVENT, "label": "T-1"}, {**SOLVENT, "label": "T-2"}]
    with served.client(people["ada"]) as ada, served.client(people["tom"]) as tom:
        name = made(ada, asked(samples=two))
        path = f"/v1/requests/{name}"
        accepted(served, people, name)
        assert post(tom, f"{path}/samples/T-1/arrival", barcode=f"B-{name}").json()["state"] == "awaiting_samples"

        def edit(samples: list[dict[str, object]]) -> httpx.Response:
            headers = {"If-Match": ada.get(path).headers["etag"], **once()}
            return ada.put(path, json=asked(samples=samples), headers=headers)

        for samples in ([two[1]], [{**two[0], "composition": "methanol"}, two[1]]):
            answer = edit(samples)
            assert (answer.status_code, "T-1 is in the lab already" in answer.json()["detail"]) == (409, True)
        assert edit([two[0]]).status_code == 200  # the other one is not sent after all
        until(ada, name, "validated")
        accepted(served, people, name)
        until(ada, name, "delivered")
