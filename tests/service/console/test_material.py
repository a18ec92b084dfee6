"""Inventory, samples and deck, and the audit trail as pages, of the reference lab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest

from labwright.service.console.deck import drawn
from labwright.service.console.labels import Words
from tests.forks import ROOT
from tests.service.console.test_pages import browser, key_in
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(ROOT, tmp_path_factory.mktemp("material") / "var", "--speed", "100") as one:
        yield one


def undone(tab: httpx.Client, verb: str, body: dict[str, str], seen: str) -> None:
    """Book something as a page with scripts does, see it, and press the Undo that the answer has."""
    htmx, key = {"HX-Request": "true"}, f"{verb}-1"
    said = tab.post(f"/call/POST/v1/inventory/{verb}", data={**body, "_key": key}, headers=htmx).text
    assert seen in tab.get("/inventory").text
    (action,) = re.findall(r'<form method="post" action="([^"]+)"', said)
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', said))
    assert fields["because"] == f"undone: {body['because']}"
    answer = tab.post(action, data={**fields, "_key": f"{key}-undone"}, headers=htmx)
    assert "Undone." in answer.text
    assert "<form" not in answer.text, "what was undone is not undone again by the same button"
    assert seen not in tab.get("/inventory").text


def test_stocks_are_shown_and_booked(served: Served) -> None:
    with browser(served, served.person("olga", "operator")) as tab:
        until_true(lambda: "rinse-1" in tab.get("/inventory").text)
        page = tab.get("/inventory").text
        assert "58 mL / 58 mL" in page or "57.5 mL / 58 mL" in page
        body = {"_key": key_in(page, "POST/v1/inventory/count"), "what:list": "rinse=40mL", "because": "weighed"}
        answer = tab.post("/call/POST/v1/inventory/count", data={**body, "_next": "/inventory"})
        assert answer.status_code == 303, answer.text
        assert "/ 40 mL" in tab.get("/inventory").text
        body = {"_key": "q1", "stock": "rinse-1", "because": "cloudy"}
        assert tab.post("/call/POST/v1/inventory/quarantine", data=body).status_code == 303
        assert "may not be used" in tab.get("/inventory").text
        body |= {"_key": "q3", "because": "filtered"}
        assert tab.post("/call/POST/v1/inventory/release", data=body).status_code == 303
        assert "may not be used" not in tab.get("/inventory").text
        undone(tab, "quarantine", {"stock": "rinse-1", "because": "cloudy"}, "may not be used")
        undone(tab, "adjust", {"stock": "rinse-1", "change": "-1.5mL", "because": "spilt"}, "/ 38.5 mL")
        undone(tab, "move", {"container": "rinse-1", "to": "shelf", "because": "by mistake"}, "is at no source")
        body = {"_key": key_in(tab.get("/inventory").text, "POST/v1/notes"), "stock": "rinse-1", "text": "a <new> cap"}
        assert tab.post("/call/POST/v1/notes", data={**body, "_back": "/inventory"}).status_code == 303
        assert "a &lt;new&gt; cap" in tab.get("/inventory").text
        wrong = tab.post("/call/POST/v1/inventory/adjust", data={"_key": "q2", "stock": "rince", "change": "1mL"})
        assert wrong.status_code == 422
        assert "because" in wrong.text
        assert tab.get("/audit").status_code == 403
        sheet = tab.get("/inventory/labels.svg?name=rinse-1")
        assert sheet.headers["content-type"] == "image/svg+xml"
        assert 'href="/inventory/labels.svg"' in tab.get("/inventory").text
        root = ElementTree.fromstring(sheet.text)  # noqa: S314 - our own
        assert root.attrib["width"].endswith("mm"), "it is printed at its true size"
        assert "rinse-1" in "".join(root.itertext())
    with browser(served, served.person("vic", "viewer")) as tab:
        page = tab.get("/inventory").text
        assert "rinse-1" in page
        assert "/call/POST/v1/inventory" not in page
        assert "a &lt;new&gt; cap" in page
        assert "/call/POST/v1/notes" not in page
    with browser(served, served.person("ria", "requester", project="solar")) as tab:
        assert tab.get("/inventory").status_code == 403
        assert "rack" not in tab.get("/samples").text
    with browser(served, served.admin) as tab:
        trail = tab.get("/audit?actor=olga").text
        assert "stock.book" in trail
        assert "weighed" in trail
        assert re.search("refused|s-failed", trail), "what was refused is there, too"
        (trace, *_) = re.findall(r'href="/audit\?trace=([^"]+)"', trail)
        assert "olga" in tab.get(f"/audit?trace={trace}").text


def test_the_deck_is_drawn_by_what_stands_where() -> None:
    def at(name: str, holds: str = "", label: str = "", *, used: bool = False) -> dict[str, object]:
        return {
            "position": name, "holds": holds, "experiment": label, "used_up": used, "unused": bool(holds and not label),
        }  # fmt: skip

    places = [at("rack_1"), at("rack_2", "vial"), at("rack_3", "vial", "0007"), at("cell", "vial", "0006", used=True)]
    svg = str(drawn(places, Words("en")))
    said = re.findall("<g><title>(.*?)</title>", svg)
    assert said == ["rack_1: empty", "rack_2: unused vial", "rack_3: in use vial 0007", "cell: used up vial 0006"]
    assert ">0007</text>" in svg
    assert re.findall(r'<text class="at".*?>(.*?)</text>', svg) == ["1", "2", "3", "cell"], "positions have numbers"
    assert str(drawn([], Words("en"))) == ""
    assert "<b>" not in str(drawn([at("<b>", "<b>")], Words("en")))


def test_a_sample_leads_to_its_experiment(served: Served) -> None:
    with browser(served, served.person("otto", "operator")) as tab:
        asked = {"name": "conductivity", "budget": 2, "planner": "random"}
        made = tab.post("/v1/campaigns", json=asked, headers={"Idempotency-Key": "c1"})
        assert made.status_code == 201, made.text
        campaign = made.json()["campaign"]
        until_true(lambda: f"/samples/{campaign}/0001" in tab.get("/samples").text)
        page = tab.get(f"/samples/{campaign}/0001")
        assert page.status_code == 200, page.text
        assert f"/campaigns/{campaign}/experiments/0001" in page.text
        assert "Transport: arm (carries the samples)" in tab.get("/now").text
        assert "Dosing and weighing: selector, balance" in tab.get("/stations/dosing").text
        until_true(lambda: "this sample" in tab.get(f"/samples/{campaign}/cell_calibration").text)
        assert ">6 mL<" in tab.get(f"/samples/{campaign}/cell_calibration").text
        assert tab.get("/samples/no-such").status_code in (404, 422)
        assert tab.get("/samples?find=0001").text.count("<tr>") == 2, "head and row"
        found = tab.get("/samples?find=1").text
        assert found.count("<tr>") == 2, "a number is no part of a campaign's id"
        assert f'href="/campaigns/{campaign}/experiments/0001"' in found
