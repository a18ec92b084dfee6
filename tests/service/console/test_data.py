"""Data as pages: runs that one may see, found, drawn, listed and taken along."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.facts.run_index import RunIndex
from labwright.facts.run_readings import envelope, thinned
from labwright.journal.runs import encode
from tests.service.console.test_pages import browser
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving
from tests.service.test_admin import alone_in

pytestmark = pytest.mark.long

START_S = 1_790_000_000.0


def record(folder: Path, number: int, readings: dict[str, list[Any]] | None = None, **own: Any) -> str:
    """A closed run with these readings, an event for each value; its uid."""
    uid = str(uuid.UUID(int=number * 7919 + 1, version=4))
    began_s = START_S + number
    documents: list[tuple[str, dict[str, Any]]] = [
        ("start", {"uid": uid, "time": began_s, "scan_id": number, "labwright": {"step": "dose", **own}})
    ]
    values = readings or {}
    count = len(next(iter(values.values()), ()))
    if values:
        keys = {
            key: {"dtype": _kind(of[0]), "shape": [len(of[0])] if isinstance(of[0], list) else [], "units": "g",
                  "object_name": "balance", "source": "x"}
            for key, of in values.items()
        }  # fmt: skip
        documents.append(("descriptor", {"uid": f"d{uid}", "run_start": uid, "name": "primary", "data_keys": keys}))
    for n in range(count):
        data, at_s = {key: of[n] for key, of in values.items()}, began_s + n / 100
        event = {"uid": f"e{n}", "descriptor": f"d{uid}", "seq_num": n + 1, "time": at_s, "data": data}
        documents.append(("event", {**event, "timestamps": dict.fromkeys(data, at_s)}))
    events = {"primary": count} if values else {}
    documents.append(("stop", {"uid": f"s{uid}", "run_start": uid, "exit_status": "success", "num_events": events}))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{uid}.jsonl").write_bytes(b"".join(encode(*one) for one in documents))
    return uid


def _kind(value: Any) -> str:
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    make_lab(folder / "mine")
    with serving(folder / "mine", folder / "var", "--speed", "100") as one:
        yield one


def rows(page: str) -> list[str]:
    """Uids of the runs that a page lists."""
    return re.findall(r'<th scope="row"><a href="/data/([^"]+)"', page)


def test_a_run_is_found_drawn_and_taken_along(served: Served) -> None:
    campaign = served.submitted(1)
    with browser(served, served.person("olga", "operator")) as tab:
        until_true(lambda: rows(tab.get("/data").text))
        until_true(lambda: re.search(r'href="/data/[^"]+"', tab.get(f"/campaigns/{campaign}/experiments/0001").text))
        masses = [1.0 + n / 1000 for n in range(5000)]
        masses[1234] = 99.5
        uid = record(served.data / "runs", 1, {"mass": masses, "note": ["=1+1"] * 5000}, station="scale", label="0007")
        until_true(lambda: rows(tab.get("/data?station=scale").text) == [uid])
        for word in ("uid=" + uid[:9], "experiment=0007&step=dose", "station=scale&campaign="):
            assert uid in rows(tab.get(f"/data?{word}").text), word
        assert uid not in rows(tab.get(f"/data?campaign={campaign}").text)
        assert "none fits" in tab.get("/data?station=nowhere").text

        page = tab.get(f"/data/{uid}").text
        assert "mass / g" in page
        assert "100 of 5000 points" in page
        assert len(re.findall('<tr><td class="number">', page)) == 100
        path = re.findall('data-points="([^"]+)"', page)[0].replace("&amp;", "&")
        points = tab.get(path).json()
        assert points["points"] == 5000
        (line,) = points["lines"]
        assert len(points["x"]) == len(line["y"]) <= 4002
        assert max(line["y"]) == 99.5, "a peak is drawn, however many points there are"
        assert points["x"][0] == 0
        assert points["x"][-1] == pytest.approx(49.99)
        assert tab.get(f"/data/{uid}/points?reading=note").status_code == 404

        table = list(csv.DictReader(io.StringIO(tab.get(f"/data/{uid}/csv").text)))
        assert len(table) == 10_000
        assert table[0]["value"] == "1.0"
        assert table[1]["value"] == "'=1+1", "a spreadsheet does not carry it out"
        assert float(table[2]["wall time (s)"]) == pytest.approx(START_S + 1.01)
        assert f'href="/v1/runs/{uid}"' in page
        assert "uPlot" in page
        assert "uPlot" not in tab.get("/data").text
        assert tab.get("/data/no-such-run").status_code == 404


def test_lists_are_drawn_over_each_other(served: Served) -> None:
    swept = {"frequency": [[300.0, 20.0, 1.0]] * 2, "resistance": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}
    uid = record(served.data / "runs", 2, swept, station="lcr")
    with browser(served, served.admin) as tab:
        until_true(lambda: uid in rows(tab.get("/data?station=lcr").text))
        page = tab.get(f"/data/{uid}").text
        path = re.findall('data-points="([^"]+)"', page)[0].replace("&amp;", "&")
        assert "against=frequency" in path
        points = tab.get(path).json()
        assert points["x"] == [1.0, 20.0, 300.0]
        assert points["lines"] == [{"event": 1, "y": [3.0, 2.0, 1.0]}, {"event": 2, "y": [6.0, 5.0, 4.0]}]
        assert tab.get(path.replace("=frequency", "=point")).json()["x"] == [1, 2, 3]


def test_runs_are_seen_by_those_who_may_see_their_data(served: Served) -> None:
    campaign = served.submitted(1)
    uid = record(served.data / "runs", 3, {"mass": [1.0, 2.0]}, campaign=campaign, label="0001")
    with browser(served, served.person("vera", "viewer")) as tab:
        until_true(lambda: uid in rows(tab.get("/data").text))
    with browser(served, served.person("rita", "requester", project="solar")) as tab:
        assert 'href="/data"' in tab.get("/data").text
        assert rows(tab.get("/data").text) == []
        for path in (f"/data/{uid}", f"/data/{uid}/csv", f"/data/{uid}/points", "/data/no-such"):
            assert tab.get(path).status_code == 404, path
    with browser(served) as tab:
        assert tab.get("/data").headers["location"].startswith("/sign-in")


def test_ten_thousand_runs_are_listed_quickly(tmp_path: Path) -> None:
    with alone_in(tmp_path) as one, one.client() as client:
        newest = [record(tmp_path / "runs", number, station=f"s{number % 7}") for number in range(10_000)][::-1]
        first = client.get("/data")
        assert rows(first.text) == newest[:50]
        older = re.findall(r'class="button" href="(/data\?before=[^"]+)"', first.text)
        assert rows(client.get(older[0]).text) == newest[50:100]
        fitting = [uid for n, uid in enumerate(newest) if (9999 - n) % 7 == 3]
        assert rows(client.get("/data?station=s3").text) == fitting[:50]
        assert rows(client.get("/data?station=none").text) == []


def test_the_index_follows_its_folder(tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "runs")
    assert index.runs() == ()
    uid = record(tmp_path / "runs", 1, {"mass": [1.0]}, campaign="c", note="x" * 9000)
    (run,) = index.runs()
    assert (run.uid, run.campaign, run.events, run.ended) == (uid, "c", 1, "success")
    other = record(tmp_path / "runs", 2)
    assert [one.uid for one in index.runs()] == [uid, other]
    oldest = record(tmp_path / "runs", 0)
    assert [one.uid for one in index.runs()] == [oldest, uid, other], "what closes later may have begun earlier"
    run.path.write_bytes(b"not a document\n")
    assert any(one is run for one in index.runs()), "a closed run is read once"
    assert next(one for one in RunIndex(tmp_path / "runs").runs() if one.uid == uid).ended == "damaged"
    run.path.unlink()
    assert [one.uid for one in index.runs()] == [oldest, other]
    assert index.get(uid) is None


def test_points_are_left_out_without_losing_ends_or_peaks() -> None:
    assert thinned(3, 10) == [0, 1, 2]
    kept = thinned(1000, 11)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 11)
    values = [0.0] * 1000
    values[501], values[777] = 5.0, -5.0
    drawn = envelope(values, 100)
    assert {0, 501, 777, 999} <= set(drawn)
    assert len(drawn) <= 102
