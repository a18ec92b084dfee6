"""Live pages while a lab works: what is new takes its place without moving what is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from labwright.cli.init import make_lab
from tests.browser.tabs import Tab
from tests.client.test_client import free_port
from tests.service.served import Served, serving

pytestmark = pytest.mark.browser

Opened = Callable[..., Tab]

LOOKS_S = 3.0
MOST = 0.1
"""Of the cumulative layout shift, as the Core Web Vitals call it good."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("live")
    make_lab(folder / "mine")
    with serving(folder / "mine", folder / "var", "--speed", "100", "--port", str(free_port())) as one:
        yield one


@pytest.mark.parametrize("width", [1200, 420])
def test_nothing_jumps_on_any_live_page(opened: Opened, served: Served, width: int) -> None:
    campaign, _ = served.submitted(400), served.submitted(400)
    tab = opened(served.url, served.admin, width=width)
    moved: dict[str, float] = {}
    for path in (
        "/now",
        "/campaigns",
        f"/campaigns/{campaign}",
        f"/campaigns/{campaign}/experiments/0001",
        "/stations/heating",
        "/timeline",
        "/samples",
        "/inventory",
        "/data",
        "/requests",
    ):
        page = tab.go(path)
        tab.settled()
        page.wait_for_timeout(1000 * LOOKS_S)
        moved[path] = tab.shift()
    assert {path: shift for path, shift in moved.items() if shift >= MOST} == {}
    with served.client() as client:
        assert client.get(f"/v1/campaigns/{campaign}").json()["tried"] > 1, "it was at work"
