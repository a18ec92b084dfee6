"""The life of a request in a browser: written, asked back, edited, approved, received, carried out, taken away."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.tabs import WIDTHS, Tab
from tests.service.desk.asking import SOLVENT, asked, desk_served, keys_of, made
from tests.service.served import Served, once

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Opened = Callable[..., Tab]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with desk_served(tmp_path_factory.mktemp("desk")) as one:
        yield one


@pytest.fixture(scope="module")
def people(served: Served) -> dict[str, str]:
    return keys_of(served, "ada", "tom", "sam", "dot", "gus")


def type_request(page: Page) -> None:
    """Fill a form in as a person does."""
    page.fill("[name=title]", "How it glows, from a browser")
    page.fill("[name='p.temperature']", "55")
    page.select_option("[name='export.status']", "not_controlled")
    page.fill("[name=contact]", "ada@example.org")
    page.check("[name=terms]")
    page.click("text=Add a sample")
    page.wait_for_selector("[name='s.0.label']")
    assert page.input_value("[name=title]") == "How it glows, from a browser"
    for name in ("label", "composition"):
        page.fill(f"[name='s.0.{name}']", str(SOLVENT[name]))
    page.fill("[name='s.0.amount']", "5")
    page.select_option("[name='s.0.form']", "liquid")
    page.select_option("[name='s.0.disposition']", "return")
    page.fill("[name='s.0.cas']", "64-17-5")
    page.fill("[name='s.0.hazards']", "H225")
    page.fill("[name='s.0.reference']", "SDS 4711")
    page.fill("[name='s.0.sha256']", "0" * 64)


def decide(tab: Tab, at: str, decision: str, because: str) -> None:
    """Give a review by its form, and wait until the page shows it."""
    page = tab.go(at)
    page.fill("#reviews textarea[name=because]", because)
    page.click(f"#reviews button[value={decision}]")
    page.wait_for_selector("#said >> text=Your review was recorded.")
    page.wait_for_selector(f"#reviews >> text={because}")


def test_a_request_from_its_form_to_its_bundle(opened: Opened, served: Served, people: dict[str, str]) -> None:
    ada = opened(served.url, people["ada"])
    page = ada.go("/requests")
    page.click("text=New request")
    page.click("text=One experiment")
    page.fill("[name='p.temperature']", "500")
    page.wait_for_selector("#w-p-temperature >> text=90")  # the lab has looked while it was typed
    type_request(page)
    page.wait_for_selector("#w-s-0 >> text=reactivity groups")
    page.click("summary >> text=Reactivity groups")
    page.check("input[value=flammable_organic]")
    page.wait_for_selector("#look >> text=The lab can do this")
    page.wait_for_selector("#look >> text=1200 JPY")
    page.click("button >> text=Submit")
    page.wait_for_url(re.compile(r"/requests/R\d+$"))
    at = "/requests/" + page.url.rsplit("/", 1)[1]
    page.wait_for_selector("#facts >> text=valid, waits for review")
    ada.settled()

    tom = opened(served.url, people["tom"])
    tom.go("/requests").click(f"#waiting a[href='{at}']")
    decide(tom, at, "return", "Which bottle is it from?")
    page.wait_for_selector("#facts >> text=asked back")
    page.wait_for_selector("#reviews >> text=Which bottle is it from?")
    page.click("text=Edit")
    page.fill("[name=notes]", "Bottle 12, opened today.")
    page.fill("[name='p.temperature']", "60")
    page.fill("[name=note]", "See the notes.")
    page.click("button >> text=Submit")
    page.wait_for_url(re.compile(r"/requests/R\d+$"))
    page.wait_for_selector("#asked >> text=Bottle 12, opened today.")
    ada.settled()

    decide(tom, at, "accept", "Now it is well described.")
    sam = opened(served.url, people["sam"])
    decide(sam, at, "accept", "H225 is allowed there.")
    page.wait_for_selector("#facts >> text=waits for samples")

    operator = tom.go(at)
    operator.fill("#samples input[name=barcode]", "B-4711")
    operator.keyboard.press("Enter")  # as a scanner does
    operator.wait_for_selector("#said >> text=The sample was received.")
    page.wait_for_selector("#samples >> text=B-4711")
    page.wait_for_selector("#facts a[href^='/campaigns/']", timeout=60_000)
    page.wait_for_selector("#facts >> text=delivered", timeout=60_000)
    with page.expect_download() as got:
        page.click("text=Download the bundle")
    with zipfile.ZipFile(got.value.path()) as bundle:
        assert "request.json" in " ".join(bundle.namelist())
    page.click("text=Make a link")
    page.wait_for_selector("#said input.once")
    link = page.input_value("#said input.once")
    page.wait_for_selector("#delivery table")
    assert link.rsplit("/", 1)[1] not in page.content().replace(page.inner_html("#said"), "")


def test_a_guest_sees_what_was_granted_and_nothing_else(opened: Opened, served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        one, other = made(ada, asked(title="Granted")), made(ada, asked(title="Kept"))
    with served.client(people["dot"]) as dot:
        body = {"because": "a guest of the project"}
        assert dot.put(f"/v1/requests/{one}/grants/gus", json=body, headers=once()).status_code == 200
    tab = opened(served.url)
    tab.tolerated = ("status of 403",)  # a guest has no first page
    tab.go("/sign-in")
    tab.page.fill("input[name=key]", people["gus"])
    tab.page.click("form:has(input[name=key]) button")
    tab.page.wait_for_url(lambda now: "/sign-in" not in now)
    page = tab.go("/requests")
    assert "Granted" in page.inner_text("main")
    assert "Kept" not in page.inner_text("main")
    page.click("text=Granted")
    page.wait_for_selector("#facts")
    assert page.locator("main form").count() == 0
    tab.tolerated = ("status of 403", "status of 404")
    answer = page.goto(f"{served.url}/requests/{other}")
    assert answer is not None
    assert answer.status == 404


def test_a_form_that_is_refused_keeps_what_was_typed_without_scripts(
    opened: Opened, served: Served, people: dict[str, str]
) -> None:
    tab = opened(served.url, people["ada"], scripts=False)
    tab.tolerated = ("status of 422",)
    page = tab.go("/requests/new?protocol=warm_up&kind=list&rows=2")
    page.fill("[name='r.0.temperature']", "500")
    page.fill("[name=title]", "Too hot")
    page.click(".look button[value=check]")
    assert "Something is wrong" in page.inner_text("#look")
    page.click("button >> text=Submit")
    assert page.input_value("[name=title]") == "Too hot"
    assert page.input_value("[name='r.0.temperature']") == "500"
    assert page.locator(".mistakes li").count() > 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_of_requests_can_be_used_by_everyone(
    opened: Opened, served: Served, people: dict[str, str], language: str, theme: str
) -> None:
    with served.client(people["ada"]) as ada:
        name = made(ada, asked(title="For all", samples=[SOLVENT]))
    forms = [f"/requests/new?protocol=warm_up&kind={kind}&samples=1" for kind in ("one", "list", "campaign")]
    pages = {
        "ada": ["/requests", "/requests/new", *forms, f"/requests/{name}", f"/requests/{name}/edit"],
        "tom": ["/requests", f"/requests/{name}"],
    }
    wrong: list[str] = []
    for width in WIDTHS:
        for who, paths in pages.items():
            tab = opened(served.url, people[who], language=language, theme=theme, width=width)
            for path in paths:
                tab.go(path)
                wrong += tab.violations()
                if tab.sideways():
                    wrong.append(f"{path} at {width}: wider than the window")
    assert wrong == []


def test_what_is_found_while_one_types_moves_nothing(opened: Opened, served: Served, people: dict[str, str]) -> None:
    tab = opened(served.url, people["tom"])
    with served.client(people["ada"]) as ada:
        name = made(ada, asked(title="Stays"))
    page = tab.go(f"/requests/{name}")
    tab.settled()
    page.fill("#reviews textarea[name=because]", "half a reason")
    page.wait_for_timeout(6000)  # the page is written again meanwhile, and what was typed stays
    assert page.input_value("#reviews textarea[name=because]") == "half a reason"
    assert tab.shift() < 0.1
