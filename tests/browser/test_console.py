"""The console in a browser, before a real service and a real simulated lab."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import httpx
import pytest

from benchmarks.waiting_lab import WaitingLab, waiting_lab
from labwright.cli.init import make_lab
from tests.browser.tabs import WIDTHS, Tab
from tests.client.test_client import free_port, service_pid
from tests.service.console.test_data import record
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.browser

Opened = Callable[..., Tab]

PAGES = (
    "/now",
    "/campaigns",
    "/requests",
    "/requests/new",
    "/campaigns/new",
    "/timeline",
    "/samples",
    "/inventory",
    "/data",
    "/settings",
    "/settings/people",
    "/settings/projects",
    "/settings/calendar",
    "/audit",
    "/sign-in",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("browser")
    make_lab(folder / "mine")
    with serving(folder / "mine", folder / "var", "--speed", "20", "--port", str(free_port())) as one:
        yield one


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaitingLab]:
    with waiting_lab(tmp_path_factory.mktemp("waiting")) as one:
        yield one


def drawn(served: Served) -> str:
    """The page of a run with something to be drawn."""
    mass = [1.0, 3.0, 2.0, 5.0, 4.0]
    return f"/data/{record(served.data / 'runs', 1, {'mass': mass}, station='scale')}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_page_can_be_used_by_everyone(opened: Opened, served: Served, language: str, theme: str) -> None:
    campaign = served.submitted(3)
    with served.client() as client:
        path = f"/v1/campaigns/{campaign}/experiments"
        until_true(lambda: any(one["label"] == "0001" for one in client.get(path).json()["items"]))
    key = served.person(f"boss.{language}.{theme}", "operator", "admin", "data_steward")
    wrong: list[str] = []
    for width in WIDTHS:
        tab = opened(served.url, key, language=language, theme=theme, width=width)
        for path in (
            *PAGES,
            f"/campaigns/{campaign}",
            f"/campaigns/{campaign}/experiments/0001",
            "/stations/heating",
            drawn(served),
        ):
            page = tab.go(path)
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            wrong += tab.violations()
            if tab.sideways():
                wrong.append(f"{path} at {width}: wider than the window")
            if page.locator(".simulated").count() != 1:
                wrong.append(f"{path}: not said to be simulated")
    assert wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_waits_for_a_person_can_be_used_by_everyone(
    opened: Opened, waiting: WaitingLab, language: str, theme: str
) -> None:
    wrong: list[str] = []
    for width in WIDTHS:
        tab = opened(waiting.url, waiting.key, language=language, theme=theme, width=width)
        for path, waits in (("/now", "#waiting"), (waiting.failed, "#questions")):
            page = tab.go(path)
            tab.settled()
            page.click(f"{waits} summary")
            assert page.locator(f"{waits} button[value=skip]").is_visible(), "the step may be left out"
            assert page.locator(f"{waits} input[name='parameters.hold_s:float']").is_visible(), "or have other values"
            wrong += tab.violations()
            page.click("h1")  # then it rings, and is silenced by a button
            page.wait_for_selector(".alarm-bar .silence")
            wrong += tab.violations()
            if tab.sideways():
                wrong.append(f"{path} at {width}: wider than the window")
        page = tab.go("/now")
        for kind in ("input[name='readings.torque:float']", "select[name='readings.rim']", "#alarms .alarm form"):
            assert page.locator(kind).is_visible(), kind
    assert wrong == []


def test_what_was_opened_and_typed_stays_when_the_page_is_written_again(opened: Opened, waiting: WaitingLab) -> None:
    tab = opened(waiting.url, waiting.key)
    page = tab.go("/now")
    page.click("#waiting summary")
    page.fill("#waiting input[name='parameters.hold_s:float']", "45")
    tab.settled()
    for n, happened in enumerate(("a puddle", "a bang")):
        body = {"station": "bench", "expected": "dry and quiet", "happened": happened, "category": "environment"}
        with httpx.Client(base_url=waiting.url, headers={"Authorization": f"Bearer {waiting.key}"}) as tom:
            said = tom.post("/v1/deviations", json={**body, "severity": "minor"}, headers={"Idempotency-Key": f"d-{n}"})
        assert said.status_code < 300, said.text
        page.wait_for_selector(f"#waiting >> text={happened}")
        page.wait_for_timeout(500)
    assert page.locator("#waiting input[name='parameters.hold_s:float']").is_visible()
    assert page.input_value("#waiting input[name='parameters.hold_s:float']") == "45"


def test_a_live_page_follows_and_nothing_jumps(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin)
    page = tab.go("/now")
    tab.settled()
    campaign = served.submitted(2)
    page.wait_for_selector(f"#under_way a[href='/campaigns/{campaign}']")
    page.wait_for_selector("#stations .s-running")
    page.click(f"#under_way a[href='/campaigns/{campaign}']")
    page.wait_for_selector("#trials tbody tr")
    tab.settled()
    assert tab.shift() < 0.1


def test_a_stop_is_one_click_and_a_reset_takes_a_reason(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin)
    page = tab.go("/now")
    tab.settled()
    page.click("text=Stop all stations")
    page.wait_for_selector("#said >> text=All stations are stopped.")
    page.wait_for_selector("#alarms .alarm")
    assert page.locator("#stations .s-stopped").count() > 0
    page.fill("#alarms input[name=because]", "looked, nothing there")
    page.wait_for_timeout(6000)  # the page is written again meanwhile, and what was typed stays
    assert page.input_value("#alarms input[name=because]") == "looked, nothing there"
    page.click("#alarms button")
    page.wait_for_selector("#said >> text=The stop was reset.")
    page.wait_for_selector("#alarms .alarm", state="detached")


def test_an_alarm_rings_on_every_page_until_it_is_silenced_and_a_prompt_does_not(
    opened: Opened, served: Served
) -> None:
    counted = """
        window.tones = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (at) { window.tones++; return start.call(this, at); };
    """
    tab = opened(served.url, served.admin)
    tab.context.add_init_script(counted)
    page = tab.go("/inventory")
    tab.settled()
    page.click("h1")  # a browser plays nothing before a person has touched the page
    page.wait_for_timeout(1500)
    assert page.evaluate("tones") == 0
    assert page.locator(".alarm-bar").count() == 0
    page.click("text=Stop all stations")
    page.wait_for_selector(".alarm-bar >> text=Alarms (1)")
    until_true(lambda: page.evaluate("tones") > 0)
    assert page.title().startswith("(1!) ")
    until_true(lambda: page.evaluate("tones") > 3)
    page.click(".alarm-bar .silence")
    at = page.evaluate("tones")
    page.wait_for_timeout(6000)
    assert page.evaluate("tones") == at, "it is silent"
    assert page.locator(".alarm-bar").count() == 1, "and still there"
    page.click(".alarm-bar a")
    page.fill("#alarms input[name=because]", "looked, nothing there")
    page.click("#alarms .alarm form button")
    page.wait_for_selector(".alarm-bar", state="detached")
    assert not page.title().startswith("(")


def test_what_was_done_by_mistake_is_undone_with_a_click(opened: Opened, served: Served) -> None:
    campaign = served.submitted(50)
    tab = opened(served.url, served.person("olga", "operator"))
    page = tab.go(f"/campaigns/{campaign}")
    tab.settled()
    page.wait_for_timeout(6000)  # the page is written again meanwhile, and its forms still work
    page.fill("#steering input[name=because]", "lunch")
    page.click("#steering >> text=Pause")
    page.wait_for_selector("#facts .s-paused")
    page.click("#said >> text=Undo")
    page.wait_for_selector("#said >> text=Undone.")
    page.wait_for_selector("#facts .s-running")
    page.fill("#steering input[name=because]", "enough")
    page.click("#steering button.danger")
    page.wait_for_selector("#facts .s-paused, #facts .s-stopped, #facts .s-failed, #facts .s-done")


def test_all_is_done_with_the_keyboard_alone(opened: Opened, served: Served) -> None:
    campaign = served.submitted(50)
    tab = opened(served.url, served.person("otto", "operator"))
    page = tab.go("/now")
    tab.settled()

    def tabbed(*, to: str) -> None:
        """Press Tab until the focus is on something, which must be seen."""
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.locator(f"{to}:focus").count():
                ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert ring != "none", f"{to} has the focus, and it is not seen"
                return
        raise AssertionError(f"{to} is not reached by Tab")

    tabbed(to="a.skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tabbed(to=f"#under_way a[href='/campaigns/{campaign}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/campaigns/{campaign}")
    tab.settled()
    tabbed(to="#steering input[name=because]")
    page.keyboard.type("by keyboard")
    tabbed(to="#steering button[formaction$=stop]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#said >> text=Done.")
    page.wait_for_selector("#facts .s-failed, #facts .s-stopped, #facts .s-done")


def test_a_page_is_printed_whole(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin)
    page = tab.go(f"/campaigns/{served.submitted(3)}")
    tab.settled()
    page.emulate_media(media="print")
    cut = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(one => one.scrollHeight > one.clientHeight + 2).length"
    )
    assert cut == 0
    assert not page.locator("nav").first.is_visible()
    assert not page.locator("form.stop").first.is_visible()
    assert page.locator(".simulated").is_visible()


def test_a_page_says_when_it_hears_nothing_and_recovers(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin)
    tab.tolerated = ("net::ERR", "htmx:sse:error")
    page = tab.go("/now")
    tab.settled()
    os.kill(service_pid(served), signal.SIGKILL)
    page.wait_for_selector("#news.old")
    assert "No connection to the service since" in page.inner_text("#news")
    page.wait_for_selector("#news:not(.old)", timeout=60_000)


def test_a_reading_is_drawn(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin, width=420)
    page = tab.go(drawn(served))
    page.wait_for_selector(".plot canvas")
    inked = """() => {
        const all = document.querySelector(".plot canvas");
        const found = all.getContext("2d").getImageData(0, 0, all.width, all.height).data;
        return found.filter((value, n) => n % 4 === 3 && value > 0).length;
    }"""
    assert page.evaluate(inked) > 1000
    assert tab.shift() < 0.1
    page.set_viewport_size({"width": 1200, "height": 900})
    until_true(lambda: page.evaluate("document.querySelector('.plot .u-wrap').clientWidth") > 900)


def test_a_new_key_is_shown_once_however_often_one_clicks(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin)
    page = tab.go("/settings")
    tab.settled()
    before = page.locator("#keys tbody tr").count()
    page.click("summary >> text=Make a key")
    page.fill("form[action='/call/POST/v1/keys'] input[name=name]", "notebook")
    page.dblclick("form[action='/call/POST/v1/keys'] > button")
    page.wait_for_selector("#said input.once")
    page.wait_for_selector("#keys >> text=notebook")
    assert page.locator("#keys tbody tr").count() == before + 1
    secret = page.input_value("#said input.once")
    assert secret.startswith("lw_")
    assert secret not in tab.go("/settings").content()


def test_it_is_read_without_scripts(opened: Opened, served: Served) -> None:
    tab = opened(served.url, served.admin, scripts=False)
    assert "Stations" in tab.go("/now").inner_text("main")
    tab.page.click("nav >> text=Campaigns")
    assert tab.page.inner_text("h1") == "Campaigns"
    tab.page.click("footer >> text=日本語")
    assert tab.page.inner_text("h1") == "キャンペーン"
    assert "5" in tab.go(drawn(served)).inner_text("main details table")
