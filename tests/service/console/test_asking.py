"""The form of a request at the wire, and what is typed into it as a request and back."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from labwright.service.console.typed import Typed, paste, typed_of, written
from tests.service.console.test_pages import browser
from tests.service.desk.asking import SOLVENT, asked, desk_served, keys_of, post
from tests.service.served import Served

pytestmark = pytest.mark.long

OFFER: dict[str, Any] = {
    "name": "mix",
    "version": "2",
    "title": "Mix",
    "parameters": [
        {"name": "heat", "type": "number", "unit": "degC", "low": 20.0, "high": 90.0, "log": False},
        {"name": "turns", "type": "integer", "unit": "1", "low": 1, "high": 9},
        {"name": "preset", "type": "ordinal", "unit": "W", "values": [1.0, 2.5, 10.0]},
        {"name": "salt", "type": "choice", "levels": ["LiPF6", "LiFSI"]},
        {"name": "lid", "type": "flag"},
        {"name": "batch", "type": "text"},
    ],
    "results": [{"name": "glow", "type": "number", "unit": "cd"}],
}

BASE: dict[str, Any] = {
    "project": "solar",
    "title": "T",
    "protocol": {"name": "mix", "version": "2"},
    "samples": [],
    "priority": "soon",
    "data_class": "open",
    "export_control": {"status": "controlled", "regime": "EU", "item": "1C350"},
    "terms": "1",
    "contact": "ada",
    "notes": "two\nlines",
}

POINT = {
    "heat": {"value": 50, "unit": "degC"},
    "turns": 3,
    "preset": {"value": 2.5, "unit": "W"},
    "salt": "LiFSI",
    "lid": False,
    "batch": "b 7",
}

CAMPAIGN: dict[str, Any] = {
    "space": {
        "parameters": [
            {"name": "heat", "type": "real", "unit": "degC", "low": 30, "high": 60.5, "step": 0.5},
            {"name": "turns", "type": "ordinal", "unit": "1", "values": [1, 3]},
            {"name": "salt", "type": "categorical", "levels": ["LiPF6", "LiFSI"]},
        ],
        "constraints": [{"kind": "linear"}],
    },
    "objective": {"name": "glow", "goal": "range", "low": 1, "high": 2, "unit": "cd"},
    "outcome_limits": [{"name": "glow", "unit": "cd", "low": 0}],
    "fixed": {"lid": True, "batch": "b", "preset": {"value": 10, "unit": "W"}},
    "budget": 12,
    "replicates": 2,
    "planner": {"name": "random", "options": {"seed": 1}},
}


def by_name(campaign: dict[str, Any]) -> dict[str, Any]:
    space = {**campaign["space"], "parameters": sorted(campaign["space"]["parameters"], key=lambda one: one["name"])}
    return {**campaign, "space": space}


@pytest.mark.parametrize(
    "asks",
    [
        {"parameters": POINT},
        {"runs": [POINT, {**POINT, "turns": 4}]},
        {"runs": [POINT] * 40},
        {"campaign": CAMPAIGN},
        {"parameters": POINT, "cost_most": 9.5, "samples": [SOLVENT, {**SOLVENT, "label": "S-2", "cas": []}]},
    ],
    ids=["one", "list", "long list", "campaign", "samples"],
)
def test_a_request_in_a_form_is_the_same_request(asks: dict[str, Any]) -> None:
    content = {**BASE, **asks}
    found = written(typed_of(content, OFFER), OFFER)
    assert found.mistakes == {}
    given = found.content if found.content.get("samples") else {**found.content, "samples": []}
    if "campaign" in asks:
        assert by_name(given.pop("campaign")) == by_name(content.pop("campaign"))
    assert given == content


def test_a_pasted_table_becomes_experiments_or_says_which_line_is_wrong() -> None:
    head = "heat / degC\tturns\tpreset\tsalt\tlid\tbatch\n"
    line = "50\t3\t2.5\tLiFSI\tfalse\tb 7\n"
    typed = Typed([("kind", "list"), ("csv", head + line * 2)])
    assert paste(typed, OFFER).mistakes == {}
    assert typed.one("rows") == "2"
    assert not typed.one("csv")
    assert written(typed, OFFER).content["runs"] == [POINT, POINT]
    typed = Typed([("kind", "list"), ("csv", head + line * 31)])
    paste(typed, OFFER)
    assert len(written(typed, OFFER).content["runs"]) == 31, "too many for fields of their own"
    for text, words in (("heat;colour\n1;2", "'colour'"), (head + line + "50\t3", "line 3 has 2 values")):
        typed = Typed([("kind", "list"), ("csv", text)])
        assert words in written(typed, OFFER).mistakes["csv"][0]
        assert paste(typed, OFFER).mistakes
        assert typed.one("csv") == text, "nothing that was typed is lost"


def test_a_mistake_is_beside_the_field_that_it_comes_from() -> None:
    typed = Typed([("kind", "one"), ("p.heat", "warm"), ("samples", "3"), ("s.2.label", "S"), ("s.2.sha256", "x")])
    found = written(typed, OFFER)
    assert found.content["parameters"]["heat"] == {"value": "warm", "unit": "degC"}
    assert found.field_of("/parameters/heat/value") == "p.heat"
    assert found.field_of("/parameters/turns") == "p.turns"
    assert found.field_of("/samples/0/sheet/sha256") == "s.2.sha256"
    assert found.field_of("/samples/0") == "s.2"
    assert found.field_of("/export_control/status") == "export.status"
    assert not found.field_of("/elsewhere")
    typed = Typed([("kind", "campaign"), ("more", "{"), ("c.heat.low", "30"), ("c.heat.high", "x")])
    found = written(typed, OFFER)
    assert "no JSON" in found.mistakes["more"][0]
    assert found.field_of("/campaign/space/parameters/0/high") == "c.heat"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with desk_served(tmp_path_factory.mktemp("desk")) as one:
        yield one


@pytest.fixture(scope="module")
def people(served: Served) -> dict[str, str]:
    return keys_of(served, "ada", "eve", "tom")


def hidden(page: str) -> dict[str, str]:
    """What a form sends that no person types."""
    form = page.split('class="writing"', 1)[1]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def filled(page: str, **more: str) -> dict[str, str]:
    """The form with what a person types into it."""
    asks = {"project": "solar", "title": "Warm", "p.temperature": "50", "priority": "routine", "data_class": "closed"}
    return {**hidden(page), **asks, "export.status": "not_controlled", "contact": "ada", "terms": "2026-04", **more}


def form(tab: httpx.Client, kind: str = "one") -> str:
    answer = tab.get("/requests/new", params={"protocol": "warm_up", "kind": kind})
    assert answer.status_code == 200, answer.text
    return answer.text


def beside(page: str, name: str) -> str:
    """What is said beside a field."""
    return page.split(f'id="w-{name}"', 1)[1].split("</div>", 1)[0]


def test_the_lab_says_what_it_offers_and_who_may_ask(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab:
        page = tab.get("/requests/new").text
        assert "20 to 90 °C" in page
        assert "1200 JPY" in page
        assert 'href="/requests/new?protocol=warm_up&amp;kind=list"' in page
        assert tab.get("/requests/new", params={"protocol": "none"}).status_code == 422
        assert 'value="solar" selected' in form(tab)
        assert "wind" not in form(tab)
    with browser(served, people["tom"]) as tab:
        page = tab.get("/requests/new").text
        assert "20 to 90 °C" in page
        assert "kind=list" not in page
        assert tab.get("/requests/new", params={"protocol": "warm_up"}).status_code == 403
    with browser(served) as tab:
        assert tab.get("/requests/new").status_code == 303


def test_it_is_checked_without_scripts_and_nothing_is_kept(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab:
        body = filled(form(tab), **{"p.temperature": "500", "title": "", "notes": "a <b> note", "do": "check"})
        page = tab.post("/requests/new", data=body).text
        assert "at least 1 character" in beside(page, "title")
        assert "a &lt;b&gt; note</textarea>" in page
        page = tab.post("/requests/new", data={**body, "title": "Warm"}).text
        assert "90" in beside(page, "p-temperature")
        assert 'value="500"' in page
        page = tab.post("/requests/new", data={**body, "title": "Warm", "p.temperature": "50"}).text
        assert "The lab can do this" in page
        assert "1200 JPY" in page
        assert tab.get("/v1/requests").json()["items"] == []


def test_it_is_looked_at_while_it_is_typed(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab:
        body = filled(form(tab), **{"title": "", "contact": "", "export.status": "", "terms": ""})
        said = tab.post("/requests/new/check", data=body).text
        assert "<html" not in said
        assert "1200 JPY" in said, "there is a quote before everything is filled in"
        assert "Nothing is wrong so far" in said
        assert 'href="#w-title"' in said
        said = tab.post("/requests/new/check", data={**body, "p.temperature": "5"}).text
        there = said.split('hx-target="#w-p-temperature"', 1)[1].split("</hx-partial>", 1)[0]
        assert "20" in there
        begun = {**body, "samples": "1", "s.0.label": "S-1", "title": "Warm", "contact": "ada"}
        said = tab.post("/requests/new/check", data=begun).text
        assert "The lab looks at it once this is filled in" in said
        assert 'href="#w-s-0-composition"' in said
    with browser(served, people["eve"]) as tab:
        body = filled(form(tab))
        assert "requester" in tab.post("/requests/new/check", data=body).text, "of a project that is not hers"


def test_a_draft_is_kept_edited_and_submitted(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab, served.client(people["ada"]) as ada:
        body = filled(form(tab), do="save")
        answer = tab.post("/requests/new", data=body)
        assert answer.status_code == 303, answer.text
        at = answer.headers["location"]
        assert tab.post("/requests/new", data=body).headers["location"] == at, "sent twice, kept once"
        page = tab.get(f"{at}/edit").text
        assert 'value="Warm"' in page
        body = filled(page, title="Warmer", **{"p.temperature": "500", "do": "submit"})
        answer = tab.post(f"{at}/edit", data=body)
        assert answer.status_code == 422
        assert "not submitted" in answer.text
        assert 'value="500"' in answer.text
        assert "90" in beside(answer.text, "p-temperature")
        shown = ada.get(f"/v1{at}").json()
        assert (shown["state"], shown["title"]) == ("draft", "Warmer")
        body = filled(answer.text, title="Warmest", **{"p.temperature": "60", "do": "submit"})
        answer = tab.post(f"{at}/edit", data=body)
        assert answer.headers.get("location") == at, answer.text
        shown = ada.get(f"/v1{at}").json()
        assert shown["state"] == "validated"
        assert shown["content"]["parameters"]["temperature"] == {"value": 60.0, "unit": "degC"}
        page = tab.get(f"{at}/edit").text
        assert "void" in page
        assert 'value="submit"' not in page
    with browser(served, people["eve"]) as tab:
        assert tab.get(f"{at}/edit").status_code == 404
    with browser(served, people["tom"]) as tab:
        assert tab.get(f"{at}/edit").status_code == 403
        assert "/edit" not in tab.get(at).text


def test_what_was_typed_is_there_when_another_was_quicker(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab, served.client(people["ada"]) as ada:
        at = post(ada, "/v1/requests", **asked()).headers["location"].removeprefix("/v1")
        page = tab.get(f"{at}/edit").text
        version = ada.get(f"/v1{at}").headers["etag"]
        headers = {"If-Match": version, "Idempotency-Key": "quicker"}
        assert ada.put(f"/v1{at}", json=asked(title="Quicker"), headers=headers).status_code == 200
        answer = tab.post(f"{at}/edit", data=filled(page, title="Mine", do="save"))
        assert answer.status_code == 412
        assert "changed meanwhile" in answer.text
        assert 'value="Mine"' in answer.text
        assert ada.get(f"/v1{at}").json()["title"] == "Quicker"
        answer = tab.post(f"{at}/edit", data=filled(answer.text, title="Mine", do="save"))
        assert answer.status_code == 303
        assert ada.get(f"/v1{at}").json()["title"] == "Mine"


def test_a_list_and_samples_grow_without_scripts(served: Served, people: dict[str, str]) -> None:
    with browser(served, people["ada"]) as tab:
        page = form(tab, "list")
        assert page.count('name="r.') == 3
        body = filled(page, **{"r.1.temperature": "55", "csv": "temperature\n60\n61"})
        page = tab.post("/requests/new", data={**body, "do": "paste"}).text
        values = re.findall(r'name="r\.\d\.temperature"[^>]*value="(\d*)"', page)
        assert values == ["55", "60", "61"]
        body = {**filled(page), **{f"r.{at}.temperature": text for at, text in enumerate(values)}}
        page = tab.post("/requests/new", data={**body, "do": "sample"}).text
        assert 'name="s.0.label"' in page
        page = tab.post("/requests/new", data={**body, "do": "kind:campaign"}).text
        assert 'name="c.temperature.low" value="20"' in page
        assert hidden(page)["r.1.temperature"] == "60", "what was typed is still there"
        more = {"c.temperature.mode": "search", "objective.name": "glow", "objective.goal": "max", "budget": "4"}
        ends = {"c.temperature.low": "30", "c.temperature.high": "70"}
        page = tab.post("/requests/new", data={**filled(page), **more, **ends, "do": "check"}).text
        assert "The lab can do this" in page, page
