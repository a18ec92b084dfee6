"""Settings at the wire: what is one's own, what admins may do, and that a secret is shown once and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from labwright.cli.init import make_lab
from tests.service.console.test_pages import browser, key_in
from tests.service.served import Served, serving

pytestmark = pytest.mark.long

CALENDAR = """
calendars:
  day_shift: {zone: Asia/Tokyo, opens: {mon-fri: "09:00-17:30"}, closed: [2099-12-31]}
maintenance:
  - {station: heating, starts: "2099-01-05T09:00+09:00", ends: "2099-01-05T12:00+09:00", why: new seals}
  - {station: heating, starts: "2001-01-05T09:00+09:00", ends: "2001-01-05T12:00+09:00", why: long ago}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("settings")
    make_lab(folder / "mine")
    lab = folder / "mine" / "lab_config" / "lab.yaml"
    lab.write_text(lab.read_text() + CALENDAR)
    with serving(folder / "mine", folder / "var", "--speed", "100") as one:
        yield one


def call(tab: httpx.Client, page: str, route: str, **fields: str | list[str]) -> httpx.Response:
    """Send the form of a page for a route."""
    key = key_in(tab.get(page).text, route)
    return tab.post(f"/call/{route}", data={"_key": key, **{name.replace("__", ":"): v for name, v in fields.items()}})


def once_in(answer: httpx.Response) -> str:
    """What an answer shows once."""
    found = re.search(r'class="once" readonly value="([^"]+)"', answer.text)
    assert found, answer.text
    return found[1].replace("&amp;", "&")


def test_a_key_is_made_shown_once_and_revoked(served: Served) -> None:
    with browser(served, served.person("olga", "operator")) as tab:
        sent = {"name": "notebook", "days__int": "7", "_once": "secret", "only__list": ["lab.read", "stock.read"]}
        key = key_in(tab.get("/settings").text, "POST/v1/keys")
        body = {"_key": key, **{name.replace("__", ":"): value for name, value in sent.items()}}
        answer = tab.post("/call/POST/v1/keys", data=body)
        assert answer.status_code == 201
        secret = once_in(answer)
        assert answer.headers["cache-control"] == "no-store"
        again = tab.post("/call/POST/v1/keys", data=body)
        assert secret not in again.text, "sent again, it is the same key, and is not shown again"
        page = tab.get("/settings").text
        assert "notebook" in page
        assert secret not in page
        assert "lab.read, stock.read" in page
        with served.client(secret) as program:
            assert program.get("/v1/me").json()["only"] == ["lab.read", "stock.read"]
        name = secret.split("_")[1]
        assert tab.post(f"/call/DELETE/v1/keys/{name}", data={"_next": "/settings"}).status_code == 303
        assert "revoked" in tab.get("/settings").text
        with served.client(secret) as program:
            assert program.get("/v1/me").status_code == 401
    with served.client() as admin:
        trail = admin.get("/v1/audit?limit=500").text
        assert "notebook" in trail
        assert secret not in trail


def test_ones_own_password_sessions_and_webhooks(served: Served) -> None:
    with browser(served, served.person("pia", "operator")) as tab:
        first, short = {"password": "a long enough word"}, {"password": "short", "old": "a long enough word"}
        answer = call(tab, "/settings", "POST/v1/me/password", **first, _back="/settings")
        assert answer.status_code == 303, answer.text
        assert call(tab, "/settings", "POST/v1/me/password", **short).status_code == 422
        with browser(served) as other:
            signed = {"person": "pia", "password": "a long enough word", "_next": "/now"}
            assert other.post("/call/POST/v1/session", data=signed).status_code == 303
            page = tab.get("/settings").text
            assert "this browser" in page
            (name,) = re.findall(r'action="/call/DELETE/v1/sessions/(\w+)"', page)
            ended = tab.post(f"/call/DELETE/v1/sessions/{name}", data={"_next": "/settings"})
            assert ended.status_code == 303
            assert other.get("/settings").headers["location"].startswith("/sign-in"), "signed out from the other"
        refused = call(tab, "/settings", "POST/v1/webhooks", url="http://127.0.0.1/x", _once="secret")
        assert refused.status_code == 422, refused.text
        assert 'class="once"' not in refused.text
        assert tab.post("/call/DELETE/v1/sessions", data={"_next": "/sign-in"}).headers["location"] == "/sign-in"
        assert tab.get("/settings").headers["location"].startswith("/sign-in")


def test_a_person_is_added_invited_given_roles_and_let_in_no_more(served: Served) -> None:
    with browser(served, served.admin) as tab:
        fields: dict[str, str | list[str]] = {"id": "kim", "name": "Kim <b>", "roles__list": ["operator", "viewer"]}
        assert call(tab, "/settings/people", "POST/v1/people", **fields, _next="/settings/people").status_code == 303
        page = tab.get("/settings/people").text
        assert "Kim &lt;b&gt;" in page
        link = "/sign-in?invitation={invitation}"
        invited = call(tab, "/settings/people", "POST/v1/people/kim/invitation", hours__float="2", _once=link)
        shown = once_in(invited)
        assert shown.startswith(f"{served.url}/sign-in?invitation=")
        assert shown.rpartition("=")[2] not in tab.get("/settings/people").text
        with browser(served) as other:
            page = other.get(shown.removeprefix(served.url)).text
            assert shown.rpartition("=")[2] in page
            taken = {"invitation": shown.rpartition("=")[2], "_next": "/now"}
            assert other.post("/call/POST/v1/session", data=taken).status_code == 303
            assert other.get("/now").status_code == 200

        page = tab.get("/settings/people?find=kim").text
        assert len(re.findall('class="card person"', page)) == 1
        (version, *_) = re.findall(r'name="_version" value="([^"]+)"', page)
        version = version.replace("&#34;", '"')
        route = "PUT/v1/people/kim/roles"
        gone = call(tab, "/settings/people", route, roles__list=[" ", "viewer"], _version=version)
        assert gone.status_code == 303, gone.text
        stale = call(tab, "/settings/people", route, roles__list=[" "], _version=version)
        assert stale.status_code == 412, "another has changed it meanwhile"
        assert call(tab, "/settings/people", route, roles__list=[" "]).status_code == 303
        assert "no role in the whole lab" in tab.get("/settings/people?find=kim").text
        alone = call(tab, "/settings/people", "PUT/v1/people/admin/roles", roles__list=[" "])
        assert "no admin any more" in alone.text
        assert call(tab, "/settings/people", "DELETE/v1/people/kim").status_code == 303
        assert "let in no more since" in tab.get("/settings/people?find=kim").text


def test_a_project_is_begun_joined_and_given_quotas(served: Served) -> None:
    ria = served.person("ria")
    with browser(served, served.admin) as tab:
        at = "/settings/projects"
        assert call(tab, at, "POST/v1/projects", id="moon", title="Moon dust").status_code == 303
        join = "PUT/v1/projects/moon/members/:who"
        nobody = call(tab, at, join, role="requester")
        assert (nobody.status_code, "name it" in nobody.text) == (422, True)
        assert call(tab, at, join, _at_who="rai", role="requester").status_code == 422
        joined = call(tab, at, join, _at_who="ria", role="requester", until__day="2099-03-31")
        assert joined.status_code == 303, joined.text
        assert 'datetime="2099-03-31T23:59:59' in tab.get(at).text
        assert call(tab, at, join, _at_who="ria", role="requester", until__day="soon").status_code == 422
        quota = {"experiments__float": "40", "cost__float": "2.5"}
        assert call(tab, at, "PUT/v1/projects/moon/quota", **quota).status_code == 303
        page = tab.get(at).text
        assert "0 / 40" in page
        assert "no limit" in page
    with browser(served, ria) as tab:
        page = tab.get("/settings/projects").text
        assert "0 / 40" in page
        assert "/call/PUT/" not in page
        assert "/call/POST/" not in page
    with browser(served, served.admin) as tab:
        assert call(tab, "/settings/projects", "DELETE/v1/projects/moon/members/ria").status_code == 303
    with browser(served, ria) as tab:
        assert tab.get("/settings/projects").status_code in (403, 404)


def test_who_sees_which_settings(served: Served) -> None:
    with browser(served, served.person("vera", "viewer")) as tab:
        page = tab.get("/settings").text
        assert "/settings/people" not in page
        assert tab.get("/settings/people").status_code == 403
        assert "/call/PUT" not in tab.get("/settings/projects").text
        assert "day_shift" in tab.get("/settings/calendar/files").text
    with browser(served, served.person("gus")) as tab:
        page = tab.get("/settings").text
        assert "Without a role" in page
        assert "/call/POST/v1/keys" not in page
        assert tab.get("/settings/calendar").status_code == 403
        assert tab.get("/settings/calendar/files").status_code == 403
    with browser(served) as tab:
        for path in ("/settings", "/settings/people", "/settings/projects", "/settings/calendar"):
            assert tab.get(path).headers["location"].startswith("/sign-in"), path


def test_calendars_are_as_the_files_have_them(served: Served) -> None:
    with browser(served, served.admin) as tab:
        assert 'hx-get="/settings/calendar/files"' in tab.get("/settings/calendar").text
        for path in ("/settings/calendar/files", "/settings/calendar?files=1"):
            page = tab.get(path).text
            for words in ("Asia/Tokyo", "09:00-17:30", "2099-12-31", "new seals"):
                assert words in page, words
            assert "long ago" not in page, "what is over is not shown"
        assert "new seals" in tab.get("/stations/heating/about").text
