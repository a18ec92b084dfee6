"""Launching a campaign from a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.service.console.launching import spec_from, yaml_of
from tests.service.console.test_pages import browser
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("launching")
    make_lab(folder / "mine")
    with serving(folder / "mine", folder / "var", "--speed", "100") as one:
        yield one


def form_of(page: str) -> dict[str, str]:
    """What the form has, as a browser sends it."""
    form = page[page.index('action="/campaigns/new" class="card"') :]
    texts = re.search(r"<textarea[^>]*>(.*?)</textarea>", form, re.S)
    key = re.search(r'name="_key" value="(\w+)"', form)
    assert texts
    assert key
    return {"_key": key[1], "text": texts[1].replace("&#34;", '"').replace("&#39;", "'").replace("&gt;", ">")}


def test_a_campaign_of_the_lab_is_changed_launched_saved_and_launched_again(served: Served) -> None:
    with browser(served, served.person("olga", "operator")) as tab:
        assert 'href="/campaigns/new"' in tab.get("/campaigns").text
        form = form_of(tab.get("/campaigns/new?name=first").text)
        assert "protocol: warm_up" in form["text"]
        form |= {"budget": "2", "planner": "random", "because": "a try"}
        for _ in range(2):  # sent twice, launched once
            answer = tab.post("/campaigns/new", data=form)
            assert answer.status_code == 303, answer.text
        campaign = answer.headers["location"].removeprefix("/campaigns/")
        assert len(tab.get("/v1/campaigns").json()["items"]) == 1
        until_true(lambda: tab.get(f"/v1/campaigns/{campaign}").json()["state"] == "completed")
        saved = tab.get(f"/campaigns/{campaign}/campaign.yaml")
        spec, wrong = spec_from(saved.text)
        assert wrong == ""
        assert (spec["budget"], spec["planner"]) == (2, {"name": "random"})
        assert yaml_of(spec) == saved.text
        again = form_of(tab.get(f"/campaigns/new?like={campaign}").text)
        assert again["text"].strip() == saved.text.strip()
        assert tab.post("/campaigns/new", data=again).status_code == 303


def test_what_is_wrong_is_shown_above_what_was_typed(served: Served) -> None:
    with browser(served, served.person("otto", "operator")) as tab:
        form = form_of(tab.get("/campaigns/new?name=first").text)
        for change, words in (
            ({"text": form["text"].replace("warm_up", "worm_up")}, "did you mean &#39;warm_up&#39;"),
            ({"text": "name: [unclosed"}, "line 1, column"),
            ({"text": "a: 1\na: 2"}, "line 2"),
            ({"text": "just words"}, "it is no campaign"),
            ({"budget": "many"}, "budget: &#39;many&#39; is not a whole number"),
        ):
            answer = tab.post("/campaigns/new", data={**form, "_key": f"k{words[:9]}", **change, "because": "kept?"})
            assert answer.status_code == 422
            assert words in answer.text, answer.text
            assert 'value="kept?"' in answer.text
    with browser(served, served.person("vic", "viewer")) as tab:
        assert 'href="/campaigns/new"' not in tab.get("/campaigns").text
        assert tab.get("/campaigns/new").status_code == 403
        assert tab.post("/campaigns/new", data={"_key": "k", "name": "first"}).status_code == 403


def test_yaml_of_a_campaign_is_read_as_it_was() -> None:
    spec: dict[str, Any] = {
        "name": "first", "title": "Ü: a #1", "protocol": "warm_up",
        "space": {"parameters": [{"type": "real", "name": "temperature", "unit": "degC", "low": 30.0, "high": 90.0}]},
        "objective": {"name": "glow", "goal": "max", "unit": "1"}, "planner": {"name": "gp"}, "budget": 3,
    }  # fmt: skip
    found, wrong = spec_from(yaml_of(spec))
    assert wrong == ""
    assert {name: found[name] for name in ("name", "title", "protocol", "budget")} == {
        name: spec[name] for name in ("name", "title", "protocol", "budget")
    }
