"""Pages of requests at the wire: who sees what, what each may do, and the form with its mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.service.console.test_pages import browser, frames, key_in
from tests.service.desk.asking import SOLVENT, accepted, asked, desk_served, keys_of, made, post, until
from tests.service.served import Served, once

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with desk_served(tmp_path_factory.mktemp("desk")) as one:
        yield one


@pytest.fixture(scope="module")
def people(served: Served) -> dict[str, str]:
    return keys_of(served, "ada", "eve", "tom", "sam", "dot", "gus")


def region(page: str, name: str) -> str:
    """A region of a page, to the next one."""
    return page.split(f'id="{name}"', 1)[1].split('class="region"', 1)[0]


def sent(tab: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    """A form of a page, filled in and sent without scripts."""
    body = {"_key": key_in(page, path), "_back": "/requests", **fields}
    return tab.post(f"/call/{path}", data=body)


def test_the_list_has_what_its_reader_may_see(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        mine = made(ada, asked(title="Of ada & co <b>"))
    with served.client(people["eve"]) as eve:
        other = made(eve, asked(project="wind", title="Of eve"))
    with browser(served, people["ada"]) as tab:
        page = tab.get("/requests").text
        assert "Of ada &amp; co &lt;b&gt;" in region(page, "mine")
        assert "warm_up" in region(page, "mine")
        assert "Of eve" not in page
        assert "Waits for your review" not in page
        assert tab.get(f"/requests/{other}").status_code == 404
        assert tab.get(f"/requests/{other}/live").status_code == 404
    with browser(served, people["tom"]) as tab:
        page = tab.get("/requests").text
        assert all(f"/requests/{name}" in region(page, "waiting") for name in (mine, other))
        assert "Technical review" in region(page, "waiting")
        assert "My requests" not in page
        assert f"/requests/{mine}" in region(tab.get("/now").text, "waiting"), "it waits for this person, among others"
        page = tab.get("/requests", params={"project": "wind", "state": "validated"}).text
        assert "Of eve" in page
        assert "Of ada" not in page
        assert tab.get("/requests", params={"state": "lost"}).status_code == 422
    with browser(served, people["gus"]) as tab:
        assert "Of ada" not in tab.get("/requests").text
        assert tab.get(f"/requests/{mine}").status_code == 404
        with served.client(people["dot"]) as steward:
            assert (
                steward.put(f"/v1/requests/{mine}/grants/gus", json={"because": "a guest"}, headers=once()).status_code
                == 200
            )
        assert "Of ada" in tab.get("/requests").text
        page = tab.get(f"/requests/{mine}").text
        assert "Of ada" in page
        assert 'action="/call/POST/v1/requests' not in page
    with browser(served) as tab:
        assert tab.get("/requests").headers["location"] == "/sign-in?next=%2Frequests"


def test_a_long_list_is_paged(served: Served, people: dict[str, str]) -> None:
    with served.client(people["eve"]) as eve:
        for number in range(52):
            answer = eve.post(
                "/v1/requests",
                json=asked(project="wind", title=f"Draft {number:02}"),
                headers=once(),
            )
            assert answer.status_code == 201
    with browser(served, people["eve"]) as tab:
        page = tab.get("/requests", params={"state": "draft"}).text
        assert "Draft 51" in page
        assert "Draft 00" not in page
        older = re.search(r'href="(/requests\?cursor=[^"]+)"', page)
        assert older
        assert "Draft 00" in tab.get(older[1].replace("&amp;", "&")).text


def test_a_request_is_reviewed_received_and_delivered_by_forms(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        name = made(ada, asked(title="By forms", samples=[SOLVENT]))
    at = f"POST/v1/requests/{name}"
    with browser(served, people["ada"]) as tab:
        page = tab.get(f"/requests/{name}").text
        assert "H225" in region(page, "samples")
        assert "flammable_organic" in region(page, "samples")
        assert "50 °C" in region(page, "asked")
        assert "JPY" in region(page, "quote")
        assert f"{at}/reviews" not in page, "the owner reviews nothing"
        assert f"{at}/samples" not in page
        assert f"{at}/cancel" in page
    for who, kind in (("tom", "technical"), ("sam", "safety")):
        with browser(served, people[who]) as tab:
            page = tab.get(f"/requests/{name}").text
            digest = re.search(r'name="digest" value="(\w{64})"', page)
            assert digest
            assert f'name="kind" value="{kind}"' in page
            body = {"kind": kind, "digest": digest[1], "because": "well described", "decision": "accept"}
            answer = sent(tab, page, f"{at}/reviews", **body)
            assert answer.status_code == 303, answer.text
            page = tab.get(f"/requests/{name}").text
            assert "well described" in region(page, "reviews")
            assert f"{at}/reviews" not in page
            assert f"/requests/{name}" not in region(tab.get("/requests").text, "waiting")
    with browser(served, people["tom"]) as tab:
        page = tab.get(f"/requests/{name}").text
        answer = sent(tab, page, f"{at}/samples/S-1/arrival", barcode="B-0001", place="shelf 3")
        assert answer.status_code == 303, answer.text
    with served.client(people["ada"]) as ada:
        done = until(ada, name, "delivered")
    with browser(served, people["ada"]) as tab:
        page = tab.get(f"/requests/{name}").text
        assert f'href="/campaigns/{done["campaign"]}"' in page
        bundle = tab.get(f"/v1/requests/{name}/delivery")
        assert bundle.content.startswith(b"PK")
        answer = sent(tab, page, f"{at}/deliveries", _once="path")
        assert answer.status_code == 201
        link = re.search(r'value="(http[^"]+/v1/deliveries/[^"]+)"', answer.text)
        assert link
        assert httpx.get(link[1]).content == bundle.content
        page = tab.get(f"/requests/{name}").text
        assert link[1].rsplit("/", 1)[1] not in page, "a secret is shown once"
        assert sent(tab, page, f"DELETE/v1/requests/{name}/deliveries").status_code == 303
        assert httpx.get(link[1]).status_code == 404
        assert sent(tab, page, f"{at}/close", note="thanks").status_code == 303
        assert "thanks" in region(tab.get(f"/requests/{name}").text, "history")
    with browser(served, people["tom"]) as tab:
        page = tab.get(f"/requests/{name}").text
        answer = sent(tab, page, f"{at}/samples/S-1/departure", gone="returned", because="parcel 7")
        assert answer.status_code == 303, answer.text
        assert "returned" in region(tab.get(f"/requests/{name}").text, "samples")


def test_a_decision_is_about_what_was_read_and_a_page_hears_of_changes(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        name = made(ada, asked(title="Changes"))
        at = f"POST/v1/requests/{name}"
        with browser(served, people["tom"]) as tab, tab.stream("GET", f"/requests/{name}/live") as stream:
            page = tab.get(f"/requests/{name}").text
            heard = frames(stream)
            assert 'hx-target="#facts"' in next(heard)
            version = ada.get(f"/v1/requests/{name}").headers["etag"]
            body = asked(title="Changes", parameters={"temperature": {"value": 61, "unit": "degC"}})
            put = ada.put(f"/v1/requests/{name}", json=body, headers={"If-Match": version, **once()})
            assert put.status_code == 200, put.text
            told = next(frame for frame in heard if "61 °C" in frame)
            assert 'hx-target="#asked"' in told
            digest = re.search(r'name="digest" value="(\w{64})"', page)
            assert digest
            body = {"kind": "technical", "digest": digest[1], "because": "fine", "decision": "accept"}
            answer = sent(tab, page, f"{at}/reviews", **body)
            assert answer.status_code == 412
            assert "read it again" in answer.text
            assert f"review-technical-{digest[1][:12]}" in page
            assert digest[1][:12] not in tab.get(f"/requests/{name}").text
        assert post(ada, f"/v1/requests/{name}/cancel", because="no more").status_code == 200
    with browser(served, people["ada"]) as tab:
        page = tab.get(f"/requests/{name}").text
        assert "cancelled" in region(page, "facts")
        assert 'action="/call/POST/v1/requests' not in page


def test_what_a_request_breaks_is_beside_its_limit(served: Served, people: dict[str, str]) -> None:
    with served.client(people["eve"]) as eve:
        name = made(eve, asked(project="wind", title="Too dear"))
    with served.client() as admin:
        quota = admin.put("/v1/projects/wind/quota", json={"cost": 10.0}, headers=once())
        assert quota.status_code == 200
    with browser(served, people["tom"]) as tab:
        rules = region(tab.get(f"/requests/{name}").text, "quote")
        assert "10 / 10" in rules
        assert "breaks it" in rules
    accepted(served, people, name)
    with browser(served, people["eve"]) as tab:
        page = tab.get(f"/requests/{name}").text
        assert "waits for the quota of project wind" in region(page, "facts")
