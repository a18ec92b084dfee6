"""Pages at the wire, without a browser: who may see what, headers, forms without scripts, and the stream of a page."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest

from labwright.cli.init import make_lab
from labwright.service.console.assets import assets
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("console")
    make_lab(folder / "mine")
    with serving(folder / "mine", folder / "var", "--speed", "100") as one:
        yield one


@contextlib.contextmanager
def browser(served: Served, key: str = "") -> Iterator[httpx.Client]:
    """A browser without scripts, signed in with a key."""
    sent = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    with httpx.Client(base_url=served.url, headers=sent, timeout=30) as client:
        if key:
            answer = client.post("/call/POST/v1/session", data={"key": key, "_next": "/now"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/now")
            assert client.cookies
        yield client


def key_in(page: str, path: str) -> str:
    """The key of the form for a route."""
    form = page[page.index(f'action="/call/{path}"') :]
    found = re.search(r'name="_key" value="(\w+)"', form)
    assert found
    return found[1]


def test_who_is_not_signed_in_is_asked_to_sign_in_and_comes_back(served: Served) -> None:
    with browser(served) as tab:
        assert tab.get("/").headers["location"] == "/sign-in"
        answer = tab.get("/campaigns?before=7")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=%2Fcampaigns%3Fbefore%3D7"
        page = tab.get(answer.headers["location"]).text
        assert 'name="_next" value="/campaigns?before=7"' in page
        assert "Stop all stations" not in page
        elsewhere = tab.get("/sign-in", params={"next": "//evil.example"}).text
        assert "evil.example" not in elsewhere.split("<form", 1)[1].split("</form>")[0]
        for away in ("/\t/evil.example", "/\\evil.example", "https://evil.example"):
            answer = tab.post("/look", data={"next": away})
            assert answer.headers["location"] == "/", away
            said = tab.post(
                "/call/POST/v1/session", data={"key": served.admin, "_next": away}, headers={"HX-Request": "true"}
            )
            assert said.headers["hx-redirect"] == "/", "a browser leaves out a tab, and two slashes are another host"
            tab.cookies.clear()
        wrong = tab.post("/call/POST/v1/session", data={"key": "lw_no_key", "_next": "//evil.example"})
        assert wrong.status_code == 401
        assert "this key opens nothing" in wrong.text
        assert "evil.example" not in wrong.text
        assert not tab.cookies


def test_a_page_loads_nothing_from_elsewhere_and_keeps_only_what_has_its_hash(served: Served) -> None:
    with browser(served, served.admin) as tab:
        answer = tab.get("/now")
        assert answer.status_code == 200, answer.text
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        sources = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
        assert len(sources) >= 5
        for path in sources:
            file = tab.get(path)
            assert file.status_code == 200
            assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert file.headers["content-encoding"] == "gzip"
        old = re.sub(r"/static/\w+/", "/static/000000000000/", sources[0])
        assert tab.get(old).status_code == 404
        assert tab.get("/static/0/../../labels.toml").status_code == 404
        whole = len(answer.content) + sum(len(assets()[path.split("/", 3)[3]].packed) for path in set(sources))
        assert whole < 150_000, "the first load of Now"


def test_the_lab_is_said_to_be_simulated_in_both_languages(served: Served) -> None:
    with browser(served, served.admin) as tab:
        assert "SIMULATED" in tab.get("/campaigns").text
        tab.headers["Accept-Language"] = "ja,en;q=0.5"
        page = tab.get("/now").text
        assert '<html lang="ja"' in page
        assert "全ステーション停止" in page
        answer = tab.post("/look", data={"language": "en", "theme": "dark", "next": "/campaigns"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns")
        page = tab.get("/campaigns").text
        assert '<html lang="en" data-theme="dark"' in page
        assert tab.post("/look", data={"next": "//evil.example"}).headers["location"] == "/"


def test_a_page_shows_what_its_reader_may_see(served: Served) -> None:
    requester = served.person("rita", "requester", project="solar")
    viewer = served.person("vera", "viewer")
    guest = served.person("gus")
    with browser(served, requester) as tab:
        assert tab.get("/").headers["location"] == "/campaigns"
        refused = tab.get("/now")
        assert refused.status_code == 403
        assert "This is not allowed to you" in refused.text
        assert 'href="/requests"' in refused.text, "the way to what is allowed"
        assert tab.get("/now/live").status_code == 403
    with browser(served, viewer) as tab:
        page = tab.get("/now").text
        assert "dosing" in page or "Stations" in page
        assert "Stop all stations" not in page
        answer = tab.post("/call/POST/v1/lab/stop", data={"because": "x", "_key": "k1"})
        assert answer.status_code == 403
        assert "operator" in answer.text
    with browser(served, guest) as tab:
        assert tab.get("/").status_code == 403
        campaign = served.submitted(1)
        grant = {"because": "a joint paper"}
        with served.client(served.person("dora", "data_steward")) as steward:
            answer = steward.put(f"/v1/campaigns/{campaign}/grants/gus", json=grant, headers={"Idempotency-Key": "g2"})
        assert answer.status_code == 200, answer.text
        assert tab.get("/").headers["location"] == "/campaigns"
        page = tab.get("/campaigns").text
        assert campaign in page
        assert 'href="/now"' not in page


def test_forms_work_without_scripts_once_however_often_they_are_sent(served: Served) -> None:
    with browser(served, served.admin) as tab:
        page = tab.get("/now").text
        key = key_in(page, "POST/v1/lab/stop")
        body = {"_key": key, "_done": "stopped", "_next": "/now", "now:bool": "true", "because": "a test"}
        for _ in range(2):
            answer = tab.post("/call/POST/v1/lab/stop", data=body)
            assert (answer.status_code, answer.headers.get("location")) == (303, "/now"), answer.text
        page = tab.get("/now").text
        assert page.count('class="alarm"') == 1
        assert "a test" in page
        latch = re.search(r'name="latch:int" value="(\d+)"', page)
        assert latch
        scripted = {"HX-Request": "true"}
        body = {"_key": key_in(page, "POST/v1/lab/reset"), "_done": "reset", "latch:int": latch[1]}
        said = tab.post("/call/POST/v1/lab/reset", data=body, headers=scripted)
        assert said.status_code == 200, "what is refused is read by a person, and is no error of the page"
        assert "because" in said.text
        body |= {"_key": "another", "because": "looked", "_done": "no such word"}
        said = tab.post("/call/POST/v1/lab/reset", data=body, headers=scripted)
        assert "Done." in said.text
        assert 'class="alarm"' not in tab.get("/now").text


def test_a_form_of_another_site_or_for_another_route_does_nothing(served: Served) -> None:
    with browser(served, served.admin) as tab:
        tab.headers["Sec-Fetch-Site"] = "cross-site"
        assert tab.post("/call/POST/v1/lab/stop", data={"because": "x", "_key": "k"}).status_code == 403
        tab.headers["Sec-Fetch-Site"] = "same-origin"
        for path in ("/call/GET/v1/me", "/call/POST/now", "/call/POST/v1/../look"):
            assert tab.post(path, data={"because": "x"}).status_code == 404, path


def frames(stream: httpx.Response) -> Iterator[str]:
    """Events of a stream, each as one text."""
    held: list[str] = []
    for line in stream.iter_lines():
        if line:
            held.append(line)
        elif held:
            yield "\n".join(held)
            held = []


def test_a_page_hears_what_happens(served: Served) -> None:
    with browser(served, served.admin) as tab, tab.stream("GET", "/now/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        heard = frames(stream)
        first = next(heard)
        assert all(f'hx-target="#{name}"' in first for name in ("alarms", "waiting", "stations"))
        assert next(heard).startswith("event: beat")
        campaign = served.submitted(2)
        told = next(frame for frame in heard if campaign in frame)
        assert 'hx-target="#under_way"' in told
        assert 'hx-target="#alarms"' not in told, "only what has changed"
    with browser(served, served.admin) as tab:
        page = tab.get(f"/campaigns/{campaign}")
        assert page.status_code == 200, page.text
        assert campaign in tab.get("/campaigns").text
        missing = tab.get("/campaigns/no-such-1")
        assert missing.status_code == 404
        assert "<h1>This page cannot be shown</h1>" in missing.text


def test_the_timeline_has_what_was_done_and_what_is_planned(served: Served) -> None:
    campaign = served.submitted(200)
    with browser(served, served.admin) as tab:
        assert tab.get("/timeline?hours=1").status_code == 200
        assert tab.get("/timeline?hours=0").status_code == 404
        until_true(lambda: ": planned," in tab.get("/timeline/picture?hours=12").text)
        until_true(lambda: ": done," in tab.get("/timeline/picture?hours=12").text)
        page = tab.get(f"/campaigns/{campaign}").text
        stop = f"POST/v1/campaigns/{campaign}/stop"
        key = key_in(page, f"POST/v1/campaigns/{campaign}/pause")  # one form, with a button for each
        assert f'formaction="/call/{stop}"' in page
        assert tab.post(f"/call/{stop}", data={"_key": key, "because": "seen enough"}).status_code == 303
    with browser(served, served.person("rio", "requester", project="moon")) as tab:
        assert tab.get("/timeline").status_code == 403
        assert tab.get("/timeline/picture").status_code == 403


def test_an_experiment_leads_to_its_runs(served: Served) -> None:
    campaign = served.submitted(1)
    with browser(served, served.admin) as tab:
        until_true(lambda: "/data/" in tab.get(f"/campaigns/{campaign}/experiments/0001").text)
        page = tab.get(f"/campaigns/{campaign}/experiments/0001").text
        run = re.search(r'href="/data/([^"]+)"', page)
        assert run
        assert tab.get(f"/data/{run[1]}").status_code == 200
        assert tab.get(f"/v1/runs/{run[1]}").text.startswith('["start"')
        assert tab.get(f"/campaigns/{campaign}/experiments/9999").status_code == 404
        until_true(lambda: tab.get(f"/v1/campaigns/{campaign}").json()["state"] == "completed")
        drawn = tab.get(f"/campaigns/{campaign}/model")
        assert drawn.status_code == 200, drawn.text
        assert "<svg" in drawn.text


def test_undo_is_offered_to_those_who_may_do_it(served: Served) -> None:
    campaign = served.submitted(50)
    scripted = {"HX-Request": "true"}
    with browser(served, served.person("paula", "safety_reviewer")) as tab:
        said = tab.post(
            f"/call/POST/v1/campaigns/{campaign}/pause", data={"_key": "u1", "because": "a leak"}, headers=scripted
        )
        assert "Done." in said.text, said.text
        assert "Undo" not in said.text, "she may not resume it"
    with browser(served, served.person("oleg", "operator")) as tab:
        said = tab.post(
            f"/call/POST/v1/campaigns/{campaign}/resume", data={"_key": "u2", "because": "dry"}, headers=scripted
        )
        assert "Undo" in said.text, said.text
        said = tab.post(
            f"/call/POST/v1/campaigns/{campaign}/stop", data={"_key": "u3", "because": "over"}, headers=scripted
        )
        assert "Undo" not in said.text, "that is for good"


def test_campaigns_under_way_keep_their_places(served: Served) -> None:
    first, second = served.submitted(50), served.submitted(50)
    with browser(served, served.admin) as tab:
        until_true(
            lambda: {first, second} <= set(re.findall(r'href="/campaigns/([^"?/]+)"', tab.get("/campaigns").text))
        )
        for _ in range(3):
            page = tab.get("/campaigns").text
            assert page.index(second) < page.index(first), "the newest first, whatever has happened last"
