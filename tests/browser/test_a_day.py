"""A day of a small lab in a browser: asked, decided, a fault, a stop, a service that dies, and the result."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import zipfile
from collections.abc import Callable, Iterator

import pytest

from labwright.cli.init import make_lab
from tests.browser.tabs import Tab
from tests.browser.test_requests import decide, type_request
from tests.client.test_client import free_port, service_pid
from tests.forks import labwright, start
from tests.service.desk.asking import DESK, asked, keys_of, made, until_true
from tests.service.served import Served, once, serving

pytestmark = pytest.mark.browser

Opened = Callable[..., Tab]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A lab whose simulated instruments are a process of their own, so that a fault can be put on one."""
    folder = tmp_path_factory.mktemp("day")
    lab, endpoints = folder / "mine", folder / "endpoints.json"
    make_lab(lab)
    (lab / "lab_config" / "desk.yaml").write_text(DESK)
    with contextlib.ExitStack() as stack:
        instruments = start("simulate", "--speed", "50", "--endpoints", endpoints, "--lab", lab)
        stack.callback(instruments.communicate, timeout=30)
        stack.callback(instruments.send_signal, signal.SIGINT)
        until_true(endpoints.exists)
        yield stack.enter_context(serving(lab, folder / "var", "--port", str(free_port()), endpoints=endpoints))


def fault(served: Served, *words: str) -> None:
    """Put a fault on the heater, or take all off."""
    done = labwright("fault", *words, "--lab", served.lab, "--endpoints", served.data.parent / "endpoints.json")
    assert done.returncode == 0, done.stderr


def approved(opened: Opened, served: Served, people: dict[str, str]) -> tuple[Tab, Tab, str]:
    """A request that was submitted, asked back, edited and approved: its researcher's tab, the operator's, its page."""
    ada = opened(served.url, people["ada"])
    page = ada.go("/requests/new?protocol=warm_up&kind=one")
    type_request(page)
    page.click("summary >> text=Reactivity groups")
    page.check("input[value=flammable_organic]")
    page.wait_for_selector("#look >> text=The lab can do this")
    page.click("button >> text=Submit")
    page.wait_for_url(re.compile(r"/requests/R\d+$"))
    at = "/requests/" + page.url.rsplit("/", 1)[1]
    tom = opened(served.url, people["tom"])
    decide(tom, at, "return", "Which bottle is it from?")
    page.wait_for_selector("#facts >> text=asked back")
    page.click("text=Edit")
    page.fill("[name=notes]", "Bottle 12, opened today.")
    page.click("button >> text=Submit")
    page.wait_for_url(re.compile(r"/requests/R\d+$"))
    decide(tom, at, "accept", "Now it is well described.")
    sam = opened(served.url, people["sam"])
    decide(sam, at, "accept", "H225 is allowed there.")
    sam.context.close()
    page.wait_for_selector("#facts >> text=waits for samples")
    return ada, tom, at


def test_from_a_request_over_a_fault_and_a_stop_to_the_result(opened: Opened, served: Served) -> None:
    people = keys_of(served, "ada", "tom", "sam", "dot", "gus")
    ada, tom, at = approved(opened, served, people)
    for tab in (ada, tom):
        tab.tolerated = ("net::ERR", "htmx:sse:error")  # of the service that is killed
    fault(served, "add", "heater", "no_reply", "--count", "100000")
    page = tom.go(at)
    page.fill("#samples input[name=barcode]", "B-4711")
    page.keyboard.press("Enter")  # as a scanner does
    page.wait_for_selector("#said >> text=The sample was received.")

    # the fault is seen, and mended before the question is answered
    page = tom.go("/now")
    page.wait_for_selector("#waiting .prompt >> text=heater", timeout=60_000)
    assert page.locator(".alarm-bar").count() == 0, "a prompt is no alarm"
    fault(served, "clear")
    page.fill("#waiting input[name=because]", "the plug was loose")
    page.click("#waiting button[value=again]")
    page.wait_for_selector("#said >> text=The answer was recorded.")
    page.wait_for_selector("#stations .s-running")

    # its station is stopped in the middle, and reset
    page.click("#stations a >> text=heating")
    page.fill("form.steer:has(button.danger) input[name=because]", "it smokes")
    page.click("form.steer button.danger")
    page.wait_for_selector(".alarm-bar")
    page = tom.go("/now")
    page.wait_for_selector("#alarms .alarm >> text=it smokes")
    page.fill("#alarms input[name=because]", "it was steam")
    page.click("#alarms .alarm form button")
    page.wait_for_selector("#alarms .alarm", state="detached")

    # the service dies under the page, which says so and recovers
    tom.settled()
    os.kill(service_pid(served), signal.SIGKILL)
    page.wait_for_selector("#news.old")
    assert "No connection to the service since" in page.inner_text("#news")
    page.wait_for_selector("#news:not(.old)", timeout=60_000)
    page.wait_for_selector("#waiting .prompt", timeout=60_000)
    page.fill("#waiting input[name=because]", "nothing was harmed")
    page.click("#waiting button[value=again]")
    page.wait_for_selector("#waiting .prompt", state="detached", timeout=60_000)

    # the researcher takes the result away; a guest sees what was granted, and nothing else
    page = ada.go(at)
    page.wait_for_selector("#facts >> text=delivered", timeout=90_000)
    with page.expect_download() as got:
        page.click("text=Download the bundle")
    with zipfile.ZipFile(got.value.path()) as bundle:
        assert "request.json" in " ".join(bundle.namelist())
    with served.client(people["ada"]) as client:
        other = made(client, asked(title="Kept"))
    with served.client(people["dot"]) as client:
        body = {"because": "a guest of the project"}
        assert client.put(f"/v1{at}/grants/gus", json=body, headers=once()).status_code == 200
    gus = opened(served.url)
    gus.tolerated = ("status of 403", "status of 404")  # a guest has no first page
    gus.go("/sign-in")
    gus.page.fill("input[name=key]", people["gus"])
    gus.page.click("form:has(input[name=key]) button")
    gus.page.wait_for_url(lambda now: "/sign-in" not in now)
    assert "How it glows, from a browser" in gus.go(at).inner_text("main")
    answer = gus.page.goto(f"{served.url}/requests/{other}")
    assert answer is not None
    assert answer.status == 404
