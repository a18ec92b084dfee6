"""Notes and deviations on pages: forms without scripts, who sees what, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from labwright.cli.init import make_lab
from tests.forks import labwright
from tests.service.console.test_pages import browser, key_in
from tests.service.served import Served, once, serving
from tests.service.test_rights_of_routes import SPEC

pytestmark = pytest.mark.long

SAID = {"expected": "60 °C", "happened": "<b>71 °C</b>", "category": "equipment", "severity": "critical"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    with serving(folder, folder / "var", "--speed", "100") as one:
        yield one


@pytest.fixture(scope="module")
def campaign(served: Served) -> str:
    """A project's campaign that is over."""
    served.person("mia", "requester", project="solar")
    spec = {**SPEC, "project": "solar", "planner": {"name": "random"}, "budget": 2}
    with served.client(served.person("oda", "operator")) as oda:
        made = oda.post("/v1/campaigns", json={"spec": spec}, headers=once())
    name = str(made.json()["campaign"])
    assert labwright("campaign", "watch", name, "--data", served.data).returncode == 0
    return name


def sent(tab: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    """What comes of a form of a page, as a browser without scripts sends it."""
    form = {"_key": key_in(tab.get(page).text, path), "_back": page, **fields}
    answer = tab.post(f"/call/{path}", data=form)
    assert (answer.status_code, answer.headers.get("location")) == (303, page), answer.text
    return answer


def test_notes_are_written_and_replaced_on_pages(served: Served, campaign: str) -> None:
    whole, one = f"/campaigns/{campaign}", f"/campaigns/{campaign}/experiments/0001"
    with browser(served, served.person("max", "requester", project="solar")) as tab:
        sent(tab, one, "POST/v1/notes", campaign=campaign, experiment="0001", text="<i>cloudy</i>")
        page = tab.get(one).text
        assert "&lt;i&gt;cloudy&lt;/i&gt;" in page
        assert "by max" in page
        sent(tab, one, "POST/v1/notes/N1/replace", text="clear")
        for path in (whole, one):
            page = tab.get(path).text
            assert "<s>&lt;i&gt;cloudy&lt;/i&gt;</s>" in page, path
            assert "replaced by N2" in page
        assert f'href="{one}"' in tab.get(whole).text
        assert 'action="/call/POST/v1/deviations"' not in tab.get(one).text, "a researcher opens none"
    with browser(served, served.person("sam", "requester", project="wind")) as tab:
        assert tab.get(one).status_code == 404
    with browser(served, served.person("vic", "viewer")) as tab:
        page = tab.get(one).text
        assert "clear" in page
        assert "/call/POST/v1/notes" not in page, "and a viewer writes nothing"


def test_a_deviation_waits_for_a_person_until_it_is_closed(served: Served, campaign: str) -> None:
    one = f"/campaigns/{campaign}/experiments/0002"
    fields = {"campaign": campaign, "experiment": "0002", **SAID, "use": "not at all"}
    with browser(served, served.person("oli", "operator")) as tab:
        assert "Deviation D1" not in tab.get("/now").text
        sent(tab, one, "POST/v1/deviations", **fields)
        page = tab.get(one).text
        assert "&lt;b&gt;71 °C&lt;/b&gt;" in page
        assert "another person closes it" in page
        assert "/call/POST/v1/deviations/D1/close" not in page
        now = tab.get("/now").text
        assert f'href="{one}#deviation-D1"' in now
        assert "Waits for a person (1)" in now
        assert "not at all" in tab.get(f"/campaigns/{campaign}").text
        tab.headers["Accept-Language"] = "ja"
        assert "逸脱 D1" in tab.get("/now").text
        assert "使用しない" in tab.get(one).text
    with browser(served, served.person("rae", "safety_reviewer")) as tab:
        sent(tab, one, "POST/v1/deviations/D1/close", conclusion="the probe was loose", use="as measured")
        page = tab.get(one).text
        assert "the probe was loose" in page
        assert "at first: not at all" in page
        assert "Deviation D1" not in tab.get("/now").text
    with browser(served, served.admin) as tab:
        assert "deviation.write" in tab.get("/audit").text


def test_a_station_has_its_own(served: Served, campaign: str) -> None:
    with browser(served, served.person("ora", "operator")) as tab:
        sent(tab, "/stations/heating", "POST/v1/notes", station="heating", text="the fan rattles")
        sent(tab, "/stations/heating", "POST/v1/deviations", station="heating", **{**SAID, "severity": "minor"})
        page = tab.get("/stations/heating").text
        assert "the fan rattles" in page
        assert "/close" in page
        assert 'href="/stations/heating#deviation-D' in tab.get("/now").text
        assert "the fan rattles" not in tab.get(f"/campaigns/{campaign}").text
    with browser(served, served.person("mel", "requester", project="solar")) as tab:
        assert "the fan rattles" not in tab.get(f"/campaigns/{campaign}").text


def test_a_sample_has_notes(served: Served, campaign: str) -> None:
    with browser(served, served.person("omar", "operator")) as tab:
        page = f"/samples/{campaign}/0001"
        sent(tab, page, "POST/v1/notes", sample=f"{campaign}/0001", text="given to Kim")
        assert "given to Kim" in tab.get(page).text
