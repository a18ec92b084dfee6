"""Requests through the Python client, against a lab that is served: asked for, returned, edited, aborted, fetched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.client import (
    BundleError,
    Client,
    ConflictError,
    InvalidError,
    NotFoundError,
    NotReachedError,
    Request,
    StaleError,
)
from labwright.client.bundles import CRATE, Bundle
from labwright.model.errors import ConfigError
from tests.client.test_client import free_port, service_pid
from tests.forks import ROOT, python
from tests.service.desk.asking import DESK, SOLVENT, until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.long

PAGE = (ROOT / "docs" / "how-to" / "ask-for-experiments.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    (folder / "lab_config" / "desk.yaml").write_text(DESK.replace('"2026-04"', '"1"'))
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100", "--port", str(free_port())) as one:
        yield one


@pytest.fixture(scope="module")
def key_file(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "ada"
    file.touch(0o600)
    file.write_text(served.person("ada", "requester", project="solar"))
    return file


@pytest.fixture(scope="module")
def people(served: Served, key_file: Path) -> Iterator[dict[str, Client]]:
    keys = {
        "ada": key_file.read_text(),
        "tom": served.person("tom", "operator"),
        "sam": served.person("sam", "safety_reviewer"),
    }
    clients = {name: Client(served.url, key) for name, key in keys.items()}
    yield clients
    for one in clients.values():
        one.close()


GLOW = Request(
    project="solar",
    title="How it glows",
    protocol=("warm_up", "1"),
    terms="1",
    contact="ada@example.org",
    runs=[{"temperature": (25, "degC")}, {"temperature": (26, "degC")}],
    export_control="not_controlled",
)


def accepted(people: dict[str, Client], request: str) -> str:
    """The state of a request that both reviewers have accepted."""
    state = ""
    for who, kind in (("tom", "technical"), ("sam", "safety")):
        desk = people[who].requests
        digest = desk.get(request).digest
        state = desk.accept(request, kind, "it is well described", digest=digest).state  # type: ignore[arg-type]
    return state


def test_a_request_from_the_look_to_its_table_as_the_manual_has_it(
    served: Served, people: dict[str, Client], key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, follow = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    ada = people["ada"].requests
    monkeypatch.setenv("LABWRIGHT_URL", served.url)
    monkeypatch.setenv("LABWRIGHT_KEY", str(key_file))
    for _ in range(2):  # a script that was interrupted is run again
        done = python(ask, cwd=tmp_path)
        assert "('temperature', '20 to 90 degC')" in done.stdout, done.stderr
        assert "2 1400.0 " in done.stdout
    (mine,) = ada.list(state="validated", project="solar", owner="ada")
    with pytest.raises(NotReachedError, match=r"is validated after 0\.3 s, not delivered"):
        ada.wait(mine.id, deadline_s=0.3)
    assert accepted(people, mine.id) == "approved"
    done = python(follow, cwd=tmp_path)
    assert "[2 rows x" in done.stdout, done.stderr
    assert "delivered" in done.stdout
    assert ada.experiments(mine.id)["temperature / degC"].tolist() == [25, 26]
    folder = tmp_path / "found"
    assert {"experiments.csv", "request.json", "report.html", CRATE, "runs"} <= {one.name for one in folder.iterdir()}
    with pytest.raises(ConfigError, match="is there already"):
        ada.fetch(mine.id, folder)
    assert [one.name for one in tmp_path.iterdir()] == ["found"]
    assert ada.link(mine.id, days=1).url.startswith(f"{served.url}/v1/deliveries/")
    history = ada.history(mine.id)
    assert [one.event for one in history[:4]] == ["create", "submit", "find_valid", "review"]
    assert next(ada.events(mine.id, after=history[-2].id)).event == "close"
    assert mine.id in [one.id for one in ada.list(state="closed", project="solar", owner="ada")]
    assert mine.id not in [one.id for one in ada.list(state="draft")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed on this machine")
def test_the_snippet_with_curl_runs(served: Served, key_file: Path, tmp_path: Path) -> None:
    _, ask = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    env = {**os.environ, "LABWRIGHT_URL": served.url, "LABWRIGHT_KEY": str(key_file)}
    done = subprocess.run(["bash", "-euc", ask], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert '"state":"validated"' in done.stdout, done.stdout + done.stderr


def test_a_draft_goes_nowhere_by_itself(people: dict[str, Client]) -> None:
    ada = people["ada"].requests
    draft = ada.create(GLOW)
    assert (draft.state, draft.possible) == ("draft", ["cancel", "edit", "submit"])
    with pytest.raises(NotReachedError, match=f"{draft.id} is draft, not delivered: it was not submitted"):
        ada.wait(draft.id, deadline_s=5)
    with pytest.raises(ConflictError, match="nothing was tried"):
        ada.experiments(draft.id)
    ada.cancel(draft.id, "it was for the test")


def test_a_service_that_is_killed_meanwhile_is_waited_for(
    served: Served, people: dict[str, Client], key_file: Path
) -> None:
    ada = people["ada"].requests
    name = ada.submit(ada.create(GLOW).id).id
    seen = threading.Event()
    with Client(served.url, key_file=key_file, patience_s=0.05) as hasty, ThreadPoolExecutor() as pool:
        waits = pool.submit(hasty.requests.wait, name, "cancelled", deadline_s=60, say=lambda shown: seen.set())
        assert seen.wait(20)
        os.kill(service_pid(served), signal.SIGKILL)
        assert ada.cancel(name, "enough").state == "cancelled"
        assert waits.result(30).state == "cancelled"


def test_a_return_an_edit_after_the_approval_and_an_abort(people: dict[str, Client]) -> None:
    ada, tom = people["ada"].requests, people["tom"].requests
    asked = replace(GLOW, samples=[{**SOLVENT, "amount": (5, "mL")}])
    name = ada.submit(ada.create(asked).id).id
    tom.return_(name, "technical", "why twice?", digest=tom.get(name).digest)
    with pytest.raises(NotReachedError, match="needs_information, not delivered: tom says: why twice"):
        ada.wait(name, deadline_s=5)
    assert ada.submit(name, "to see how it repeats").state == "validated"
    read = ada.get(name)
    assert accepted(people, name) == "awaiting_samples"
    with pytest.raises(StaleError):
        ada.edit(read, replace(asked, title="else"))
    edited = ada.edit(ada.get(name), replace(asked, runs=[{"temperature": (30 + one, "degC")} for one in range(30)]))
    assert edited.state in ("submitted", "validated")
    assert all(one.void for one in edited.reviews if one.decision == "accept")
    with pytest.raises(StaleError, match="another content"):
        tom.accept(name, "technical", "fits", digest=read.digest)
    ada.wait(name, "validated", deadline_s=30)
    assert accepted(people, name) == "awaiting_samples"
    with pytest.raises(NotFoundError, match=r"names no sample 'S-2'"):
        tom.sample_arrived(name, "S-2", "B-9")
    assert tom.sample_arrived(name, "S-1", "B-1", place="fridge").state == "queued"
    ada.wait(name, "running", deadline_s=30)
    until_true(lambda: "temperature / degC" in ada.experiments(name).columns)  # as far as they are
    with pytest.raises(ConflictError, match="cancel is not possible in the state running"):
        ada.cancel(name, "too late")
    asked_for = ada.abort(name, "I was wrong").abort or {}
    assert (asked_for["by"], asked_for["because"]) == ("ada", "I was wrong")
    outcome = ada.wait(name, deadline_s=60).outcome or {}
    assert "aborted by ada: I was wrong" in outcome["reason"]
    assert tom.sample_gone(name, "S-1", "returned").samples[0]["gone"] == "returned"


def test_everything_that_is_wrong_is_said_a_line_each(people: dict[str, Client]) -> None:
    ada = people["ada"].requests
    wrong = replace(GLOW, terms="0", runs=[{"temperature": (400, "degC")}])
    look = ada.validate(wrong)
    assert sorted(one.code for one in look.problems) == ["terms", "value"]
    draft = ada.create(wrong).id
    with pytest.raises(InvalidError) as refused:
        ada.submit(draft)
    fine = ada.submit(ada.create(GLOW).id)
    ada.edit(fine, wrong)
    with pytest.raises(
        NotReachedError, match=f"{fine.id} is needs_information, not validated: labwright says: /terms: "
    ):
        ada.wait(fine.id, "validated", deadline_s=20)
    ada.cancel(fine.id, "for the test")
    head, *lines = str(refused.value).splitlines()
    assert head == f"{draft} was not submitted: see errors"
    assert sorted(line.split(":")[0].strip() for line in lines) == ["/runs/0/temperature", "/terms"]
    assert {one["code"] for one in refused.value.errors} == {"terms", "value"}
    assert ada.cancel(draft, "it was wrong").state == "cancelled"
    with pytest.raises(InvalidError, match="/tilte: "):
        ada.validate({**GLOW.content(), "tilte": "x"})
    with pytest.raises(NotFoundError):
        list(ada.events("R9999"))


def test_one_key_writes_one_draft_whatever_process_asks(served: Served, people: dict[str, Client]) -> None:
    ada = people["ada"]
    first = ada.requests.create(GLOW, key="a notebook, cell 4")
    with Client(served.url, served.person("ada2", "requester", project="solar")) as other:
        assert other.requests.create(GLOW, key="a notebook, cell 4").id != first.id  # another person's
    assert ada.requests.create(GLOW, key="a notebook, cell 4").id == first.id
    ada.requests.cancel(first.id, "for the test")


def crate(files: dict[str, bytes], **more: Any) -> bytes:
    graph = [
        {"@id": name, "@type": "File", "sha256": hashlib.sha256(data).hexdigest(), "contentSize": str(len(data))}
        for name, data in files.items()
    ]
    return json.dumps({"@graph": [{**one, **more} for one in graph]}).encode()


def zipped(files: dict[str, bytes], index: bytes) -> io.BytesIO:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(CRATE, index)
    return raw


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "..\\x", "C:x", "a//b", "a/./b", ".", "a\x00b", "a\nb", "runs/.. /x"]
)
def test_a_bundle_that_reaches_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    files = {name: b"x"}
    with pytest.raises(BundleError, match=r"no plain file|differ"):
        Bundle(zipped(files, crate(files)), "it").unpack(tmp_path / "found")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_bundle_is_refused(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        link = zipfile.ZipInfo("x")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(CRATE, crate({"x": b"/etc/passwd"}))
    with pytest.raises(BundleError, match="no plain file"):
        Bundle(raw, "it")


@pytest.mark.parametrize(
    ("files", "index", "words"),
    [
        ({"a": b"1"}, crate({"a": b"2"}), "not what the lab has written"),
        ({"a": b"1" * 9}, crate({"a": b"1"}), "not what the lab has written"),
        ({"a": b"1", "b": b"2"}, crate({"a": b"1"}), "differ in b"),
        ({"a": b"1"}, crate({"a": b"1", "b": b"2"}), "differ in b"),
        ({"a": b"1"}, b"[]", "no bundle"),
        ({"a": b"1"}, crate({"a": b"1"}, contentSize="many"), "no bundle"),
    ],
)
def test_a_bundle_that_was_changed_is_not_unpacked(
    tmp_path: Path, files: dict[str, bytes], index: bytes, words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        Bundle(zipped(files, index), "it").unpack(tmp_path / "found")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BundleError, match="is no bundle"):
        Bundle(io.BytesIO(b"PK no"), "it")
