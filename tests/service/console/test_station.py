"""A station's page: how it stands, what its runs have read, what the lab's files say, and stopping it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.forks import ROOT
from tests.service.console.test_data import record
from tests.service.console.test_pages import browser, key_in
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.long

PAGE = "/stations/impedance"
BOOKINGS = "/v1/stations/impedance/bookings"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(ROOT, tmp_path_factory.mktemp("station") / "var", "--speed", "100") as one:
        yield one


def test_a_station_shows_what_it_does_and_has_read(served: Served) -> None:
    with browser(served, served.person("otto", "operator")) as tab:
        assert 'href="/stations/dosing"' in tab.get("/now").text
        page = tab.get("/stations/dosing").text
        assert "No reading recorded" in page
        assert "No step was carried out here" in page
        assert 'hx-get="/stations/dosing/about"' in page
        about = tab.get("/stations/dosing/about").text
        for words in ("Dosing and weighing", "pump_1", "serial:/dev/serial/by-id/labwright-pumps", "volume 5–3000"):
            assert words in about, words
        assert "H301" in about, "what is dispensed here is dangerous"
        assert about.count("no reading recorded") >= 10
        assert "pump_1" in tab.get("/stations/dosing?files=1").text, "without scripts"

        record(served.data / "runs", 1, {"balance_mass": [3.0, 4.25]}, station="dosing")
        until_true(lambda: "4.25" in tab.get("/stations/dosing").text)
        record(served.data / "runs", 2, {"balance_mass": [5.5]}, station="dosing")
        until_true(lambda: "5.5" in tab.get("/stations/dosing").text)
        page = tab.get("/stations/dosing").text
        assert "4.25" not in page, "the newest counts"
        assert 'datetime="2026-09-21T14:13:22' in page, "and it is said when it was read"
        assert "4.25" not in tab.get("/stations/impedance").text

        asked = {"name": "conductivity", "budget": 1, "planner": "random"}
        made = tab.post("/v1/campaigns", json=asked, headers={"Idempotency-Key": "c1"})
        campaign = made.json()["campaign"]
        link = f'href="/campaigns/{campaign}/experiments/cell_calibration"'
        until_true(lambda: link in tab.get("/stations/transport/steps").text)
        steps = tab.get("/stations/transport/steps").text
        assert re.search(r"\d+ %</td>", steps), "how long it took against what was planned"
        assert tab.get("/stations/nowhere").status_code == 404
        assert tab.get("/stations/nowhere/live").status_code == 404


def test_one_station_is_stopped_and_reset(served: Served) -> None:
    with browser(served, served.person("olga", "operator")) as tab:
        page = tab.get("/stations/stirring").text
        assert 'name="because" value="Stop button in the console"' in page, "who is in a hurry types nothing"
        body = {"_key": key_in(page, "POST/v1/lab/stop"), "station": "stirring", "now:bool": "true"}
        assert tab.post("/call/POST/v1/lab/stop", data=body).status_code == 422, "a reason is needed"
        body |= {"_key": "s1", "because": "smells", "_back": "/stations/stirring"}
        answer = tab.post("/call/POST/v1/lab/stop", data=body)
        assert (answer.status_code, answer.headers["location"]) == (303, "/stations/stirring")
        until_true(lambda: "smells" in tab.get("/stations/stirring").text)
        page = tab.get("/stations/stirring").text
        assert "b-stopped" in page
        assert "LatchScope" not in page
        assert "Stopped: station stirring" in page
        _, _, dosing = tab.get("/stations/dosing").text.partition("<main")  # the bar of alarms is on every page
        assert "smells" not in dosing
        (latch,) = re.findall(r'name="latch:int" value="(\d+)"', page)
        body = {"_key": "s2", "latch:int": latch, "because": "aired"}
        assert tab.post("/call/POST/v1/lab/reset", data=body).status_code == 303
        until_true(lambda: "latch:int" not in tab.get("/stations/stirring").text)


def test_who_may_look_at_a_station_and_who_may_stop_it(served: Served) -> None:
    with browser(served, served.person("vera", "viewer")) as tab:
        page = tab.get("/stations/dosing")
        assert page.status_code == 200
        assert "Stop this station" not in page.text
    with browser(served, served.person("rita", "requester", project="solar")) as tab:
        for path in ("", "/about", "/steps", "/live"):
            assert tab.get(f"/stations/dosing{path}").status_code == 403, path


def test_an_operator_sets_an_axis_and_takes_a_reading_from_the_page(served: Served) -> None:
    with browser(served, served.person("hanna", "operator")) as tab:
        assert 'hx-get="/stations/transport/hand"' in tab.get("/stations/transport").text
        forms = tab.get("/stations/transport/hand").text
        assert 'min="1.0" max="60.0" step="1"' in forms, "the limits of the lab's files and the driver"
        assert "the gripper is open and empty" in forms, "why that is not set by hand"
        assert 'name="axis" value="gripper"' not in forms
        doses = tab.get("/stations/dosing/hand").text
        assert "it doses" in doses
        assert 'name="axis" value="volume"' not in doses
        assert 'name="axis" value="selection"' in tab.get("/stations/dosing?files=1").text, "without scripts"

        body = {"_key": key_in(forms, "POST/v1/stations/transport/set"), "device": "arm", "axis": "location"}
        wrong = tab.post("/call/POST/v1/stations/transport/set", data={**body, "value:float": "61", "because": "x"})
        assert wrong.status_code == 422
        assert "61 is outside its limits: give a value of 1 to 60" in wrong.text
        given = {**body, "_key": "h1", "value:float": "44", "because": "out of the way", "_back": "/stations/transport"}
        answer = tab.post("/call/POST/v1/stations/transport/set", data={**given, "sample_present_ok:bool": "true"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/stations/transport")
        until_true(lambda: "reads 44" in tab.get("/stations/transport").text)
        page = tab.get("/stations/transport").text
        for words in ("arm.location → 44", "hanna", "out of the way"):
            assert words in page, words
        read = {"_key": "h2", "device": "arm", "because": "x", "_back": "/stations/transport"}
        assert tab.post("/call/POST/v1/stations/transport/read", data=read).status_code == 303
        until_true(lambda: "arm_gripper" in tab.get("/stations/transport").text)
        assert "By hand" not in tab.get("/campaigns").text
        assert tab.get("/stations/transport/held").status_code == 200
    with browser(served, served.person("violet", "viewer")) as tab:
        assert "/hand" not in tab.get("/stations/transport").text
        assert "arm.location → 44" in tab.get("/stations/transport").text
        assert tab.get("/stations/transport/hand").status_code == 403


def test_a_station_is_booked_on_its_page_and_given_back(served: Served) -> None:
    with (
        browser(served, served.person("bo", "operator")) as tab,
        browser(served, served.person("vi", "viewer")) as seen,
    ):
        page = tab.get(PAGE).text
        form = {
            "_key": key_in(page, f"POST{BOOKINGS}"),
            "_back": PAGE,
            "because": "a <new> probe",
            "for_s:float": "7200",
        }
        assert tab.post(f"/call/POST{BOOKINGS}", data=form).status_code == 303
        page = tab.get(PAGE).text
        assert "a &lt;new&gt; probe" in page
        assert "in use by a person" in page
        assert "bo has it, for" in seen.get("/now").text
        assert "/end" not in seen.get(PAGE).text, "who may not steer ends nothing"
        twice = {**form, "_key": "another key", "starts:moment": "2031-01-01T09:00"}
        assert "more than a year from now" in tab.post(f"/call/POST{BOOKINGS}", data=twice).text
        assert (
            "is not a time, as 2027-03-31T09:00"
            in tab.post(f"/call/POST{BOOKINGS}", data={**twice, "_key": "a third", "starts:moment": "noon"}).text
        )
        assert "a &lt;new&gt; probe" in tab.get("/settings/calendar").text
        assert "closed or booked" in tab.get("/timeline").text
        booking = re.findall(r"/call/POST/v1/bookings/(B\d+)/end", page)[0]
        path = f"POST/v1/bookings/{booking}/end"
        ended = tab.post(f"/call/{path}", data={"_key": key_in(page, path), "_back": PAGE, "because": "done"})
        assert ended.status_code == 303
        assert "Nothing is booked." in tab.get(PAGE).text
