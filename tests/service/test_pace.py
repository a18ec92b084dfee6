"""Who asks too often waits, and the lab can be stopped all the same: at the wire."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest
import uvicorn

from labwright.model.errors import RefusedError
from labwright.service.front import Front
from labwright.service.pace import AT_A_TIME, OF_ONE_AT_A_TIME, Pace, is_expensive, is_free
from labwright.service.settings import Rates, ServiceSettings
from labwright.service.wire import wire_options
from tests.service.described import APART
from tests.service.served import once
from tests.service.test_admin import Alone, alone_in
from tests.service.test_sessions import GOOD, browser, invited, person, signed_in

RATES = {"key": 40, "address": 12, "expensive": 3, "wrong": 8, "wrong_for": 4}
STOP = {"because": "it smells"}


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with alone_in(tmp_path_factory.mktemp("paced"), rates=RATES) as one:
        yield one


@pytest.fixture
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    more = {"rates": RATES, "proxy": "127.0.0.9", "host_names": ["lab.example.org"]}
    with alone_in(tmp_path_factory.mktemp("proxied"), **more) as one:
        yield one


def limited(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    return True


def test_a_key_that_asks_too_often_waits_and_can_stop_the_lab(alone: Alone) -> None:
    other = person(alone, "ola", "operator")
    with alone.client() as admin, alone.client(other) as ola:
        assert any(limited(admin.get("/v1/me")) for _ in range(RATES["key"] + 1))
        for path in ("/v1/lab/stop", "/v1/campaigns/c-1/stop"):
            stopped = admin.post(path, json=STOP, headers=once())
            assert stopped.status_code in (404, 409), stopped.text  # no controller runs, and there is no campaign
        assert admin.get("/healthz").status_code == 200
        assert ola.get("/v1/me").status_code == 200, "others are not in that line"


def test_who_shows_no_key_waits_sooner(alone: Alone) -> None:
    with httpx.Client(base_url=alone.url) as anonymous, alone.client() as admin:
        assert any(limited(anonymous.get("/v1/me")) for _ in range(RATES["address"] + 1))
        assert anonymous.get("/healthz").status_code == 200
        assert anonymous.post("/v1/lab/stop", json=STOP, headers=once()).status_code == 401
        assert admin.get("/v1/me").status_code == 200


def test_what_takes_long_is_limited_more_tightly(alone: Alone) -> None:
    with alone.client() as admin:
        answers = [admin.get("/v1/audit/verification") for _ in range(RATES["expensive"] + 1)]
        assert [answer.status_code for answer in answers[:-1]] == [200] * RATES["expensive"]
        assert limited(answers[-1])
        assert admin.get("/v1/me").status_code == 200


@contextlib.contextmanager
def fronted(app: Any, place: Path) -> Iterator[str]:
    """What stands before all routes, before an app of the test's; its URL."""
    front = Front(app, ServiceSettings(root=None, data=place, journal="x"), Pace(Rates()))
    server = uvicorn.Server(uvicorn.Config(front, log_level="warning", lifespan="off", **wire_options()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            APART.add(here := f"127.0.0.1:{listening.getsockname()[1]}")
            yield f"http://{here}"
        finally:
            server.should_exit = True
            thread.join(20)


def test_what_takes_long_is_worked_on_by_few_at_once(tmp_path: Path) -> None:
    go, at_work = threading.Event(), threading.Semaphore(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/v1/requests:validate":
            at_work.release()
            await anyio.to_thread.run_sync(go.wait, 20)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(url: str, who: str, path: str = "/v1/requests:validate") -> httpx.Response:
        return httpx.post(f"{url}{path}", headers={"Authorization": who}, content=b"{}", timeout=30)

    with fronted(app, tmp_path) as url, contextlib.ExitStack() as halves, ThreadPoolExecutor(20) as pool:
        for _ in range(2 * AT_A_TIME):  # bodies that do not come take no place
            half = halves.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20))
            half.sendall(b"POST /v1/requests:validate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{")
        working = [pool.submit(ask, url, who) for who in ("ann", "bo") for _ in range(OF_ONE_AT_A_TIME)]
        assert all(at_work.acquire(timeout=20) for _ in working)
        assert limited(ask(url, "cy")), "no place is left"
        assert ask(url, "ann", "/v1/lab/stop").status_code == 204
        assert ask(url, "ann", "/v1/me").status_code == 204
        go.set()
        assert {one.result().status_code for one in working} == {204}
        assert ask(url, "cy").status_code == 204
        go.clear()
        own = [pool.submit(ask, url, "ann") for _ in range(OF_ONE_AT_A_TIME)]
        assert all(at_work.acquire(timeout=20) for _ in [*own, None])
        assert limited(ask(url, "ann")), "of one, four"
        go.set()
        assert {one.result().status_code for one in own} == {204}


def test_passwords_are_not_guessed(alone: Alone) -> None:
    person(alone, "pia", "viewer")
    person(alone, "quo", "viewer")
    with browser(alone) as tab, browser(alone) as guesser:
        signed_in(tab, invitation=invited(alone, "pia"), password=GOOD)
        signed_in(tab, invitation=invited(alone, "quo"), password=GOOD)
        for name in ("pia", "no.such.person"):
            wrong = [guesser.post("/v1/session", json={"person": name, "password": "x" * 12}) for _ in range(4)]
            assert {answer.status_code for answer in wrong} == {401}
        right = {"person": "pia", "password": GOOD}
        assert limited(guesser.post("/v1/session", json=right)), "for this person it is enough, right or wrong"
        assert limited(guesser.post("/v1/session", json={"person": "quo", "password": GOOD})), "and from this address"
        assert tab.get("/v1/me").json()["id"] == "quo", "who is signed in stays so"


def test_only_the_named_proxy_says_where_a_client_is(proxied: Alone) -> None:
    anyone = {"Host": "lab.example.org"}
    with httpx.Client(base_url=proxied.url) as direct:
        said = [direct.get("/v1/me", headers={**anyone, "X-Forwarded-For": f"10.0.0.{n}"}) for n in range(13)]
        assert limited(said[-1]), "this one comes from 127.0.0.1, whatever it says"
    proxy = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=proxied.url, transport=proxy, headers=anyone) as through:
        for n in range(13):
            assert through.get("/v1/me", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code == 200
        forged = [
            through.get("/v1/me", headers={"X-Forwarded-For": f"10.9.9.{n}, 10.1.1.1"})
            for n in range(RATES["address"] + 1)
        ]
        assert limited(forged[-1]), "the proxy's own word is the last; what a client wrote before it is not believed"


def test_a_proxy_has_an_address_and_a_name() -> None:
    for more, words in (
        ({"proxy": "proxy.example"}, "the address"),
        ({"proxy": "*", "host_names": ("lab.example",)}, "the address"),
        ({"proxy": "10.0.0.5"}, "--host-name"),
    ):
        with pytest.raises(RefusedError, match=words):
            ServiceSettings.model_validate({"root": None, "data": ".", "journal": "x", **more}).refuse_exposed()


@pytest.mark.parametrize(
    ("method", "path", "free", "expensive"),
    [
        ("POST", "/v1/lab/stop", True, False),
        ("POST", "/v1/campaigns/c-1/stop", True, False),
        ("POST", "/v1/campaigns/c-1/pause", True, False),
        ("POST", "/v1/requests/R1/abort", True, False),
        ("POST", "/v1/lab/reset", False, False),
        ("POST", "/v1/campaigns", False, True),
        ("GET", "/v1/campaigns", False, False),
        ("POST", "/v1/requests:validate", False, True),
        ("POST", "/v1/requests/R1/submit", False, True),
        ("GET", "/v1/campaigns/c-1/export", False, True),
        ("GET", "/v1/capabilities", False, True),
    ],
)
def test_what_is_never_limited_and_what_is_more(method: str, path: str, free: bool, expensive: bool) -> None:
    assert (is_free(path), is_expensive(method, path)) == (free, expensive)
