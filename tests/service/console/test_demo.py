"""`labwright demo --console`: the link that it shows signs in, once, and two campaigns are under way."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.client.test_client import free_port
from tests.forks import start
from tests.service.desk.asking import until_true

pytestmark = pytest.mark.long


def test_the_reference_lab_is_shown_with_two_campaigns_under_way(tmp_path: Path) -> None:
    port = free_port()
    process = start("demo", "--console", "--port", str(port), "--data", tmp_path, "--budget", "20", "--speed", "100")
    assert process.stderr is not None
    try:
        link, listens = "", False
        for line in process.stderr:
            link = (re.findall(r"http://\S+invitation=\S+", line) or [link])[0]
            listens |= "service listens on" in line
            if link and listens:
                break
        invitation = parse_qs(urlsplit(link).query)["invitation"][0]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as tab:
            assert invitation in tab.get(link).text
            for status in (303, 401):
                answer = tab.post("/call/POST/v1/session", data={"invitation": invitation, "_next": "/now"})
                assert answer.status_code == status
            until_true(lambda: tab.get("/now").text.count('href="/campaigns/conductivity-') == 2)
            assert "SIMULATED" in tab.get("/now").text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()
