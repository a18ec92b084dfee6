"""The data store wherever its folder is: odd names, behind a company's proxy, moved, copied, restored."""

import contextlib
import hashlib
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.journal import closed_runs, read_run
from labwright.model.errors import StoreError
from labwright.store import Uploader, UploadSummary, open_store, verify
from labwright.store.config import plain_root, server_config, storage_uris
from tests.store.test_store import make_runs

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(300)]

ODD = [
    "lab #1",
    "lab?3",
    "a%41%",
    "a&b;c=d",
    "[x]*{y}",
    "'q' \"dq\" `$HOME`",
    "new\nline\ttab",
    "-dash",
    "研究室 é",
    "[bold]b[/bold] <i>",
    "back\\slash",
    "x" * 200,
]


def synced(data: Path) -> UploadSummary:
    uploader = Uploader(data / "runs", data / "tiled")
    uploader.start()
    return uploader.drain(150)


@pytest.mark.parametrize("name", ODD)
def test_a_folder_stands_in_no_uri_with_its_syntax(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "tiled"
    folder.mkdir(parents=True)
    root = plain_root(folder)
    assert root.samefile(folder)
    assert plain_root(folder) == root, "it stands in the catalogue: the same for every process"
    for uri in (*storage_uris(folder), server_config(folder)["catalog"]["uri"]):
        assert not set("#?%;&[]*'\"$\n\t<>\\`") & set(uri)
    if root != folder:
        assert root.parent.stat().st_mode & 0o777 == 0o700
        root.unlink()


def test_a_path_too_long_for_the_catalogue_is_shortened(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["deep" * 40] * 8)
    folder.mkdir(parents=True)
    root = plain_root(folder)
    assert len(str(root)) < 100
    root.unlink()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A company's proxy that keeps what it is sent, named by all variables that programs obey."""
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.5)
                seen.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"socks5://127.0.0.1:{port}")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/company.pem")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.slow
def test_the_store_lies_in_its_folder_whatever_that_is_called_and_no_proxy_sees_it(
    tmp_path: Path, proxy: list[bytes]
) -> None:
    name = "-d #1?a%41&;[b]*'q' \"$HOME\"\n研究室"
    data = tmp_path / "labs" / name / "var"
    runs, store = data / "runs", data / "tiled"
    make_runs(runs, 2)
    summary = synced(data)
    assert (summary.uploaded, summary.complete) == (2, True), summary
    assert verify(runs, store).same
    assert {"catalog.db", "tables.sqlite", "files"} <= {path.name for path in store.iterdir()}
    assert [path.name for path in (tmp_path / "labs").iterdir()] == [name], "nothing beside it"
    with open_store(store) as client:
        uid = read_run(closed_runs(runs)[0])[0][1]["uid"]
        assert client[uid]["primary"].read()["sweep_z"].values.tolist() == [[1.5, 2.5, 3.25]] * 2
        assert len(client.v1[-1].table()) == 2
        key = (store / "api_key").read_text()
        shown = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
        assert "labwright.store serve" in shown
        assert key not in shown
    assert proxy == []
    assert not (store / "url").exists(), "the address is there while the server is"
    assert (store / "api_key").stat().st_mode & 0o077 == 0
    for path in (store / "url", store / "upload.log", store / "server.log"):
        assert not path.exists() or key not in path.read_text()
    plain_root(store).unlink()


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("lock", "upload.log", "server.log") and not path.name.endswith("-shm")
    }


@pytest.mark.slow
def test_a_store_that_was_copied_or_moved_or_has_lost_files_is_made_again(tmp_path: Path) -> None:
    """From the journal, never without it; its origin is left alone."""
    here, copied, moved = tmp_path / "lab #1", tmp_path / "lab #2", tmp_path / "moved"
    make_runs(here / "runs", 2)
    assert synced(here).complete
    assert (here / "tiled" / "tables.duckdb").exists()
    shutil.copytree(here, copied)
    # Half a run in the copy's catalogue: Tiled would delete its data, which are the original's, before it writes it.
    with contextlib.closing(sqlite3.connect(copied / "tiled" / "catalog.db")) as database:
        database.execute("UPDATE nodes SET metadata = json_remove(metadata, '$.stop') WHERE parent = 0")
        database.commit()
    before = contents(here / "tiled")

    for read in (lambda: verify(copied / "runs", copied / "tiled"), lambda: open_store(copied / "tiled").__enter__()):
        with pytest.raises(StoreError, match=r"moved, copied or restored.*labwright store sync --data"):
            read()
    summary = synced(copied)
    assert (summary.uploaded, summary.already) == (2, 0)
    assert "made in another folder" in summary.remade
    assert "made again from the journal" in str(summary)
    assert verify(copied / "runs", copied / "tiled").same
    assert contents(here / "tiled") == before, "a copy writes nothing into the files of its original"
    assert verify(here / "runs", here / "tiled").same

    here.rename(moved)
    make_runs(moved / "runs", 1)
    assert synced(moved).uploaded == 3
    assert verify(moved / "runs", moved / "tiled").same
    assert not here.exists()
    for folder in (here, copied):
        plain_root(folder / "tiled").unlink()
    its_files_are_lost(moved)


def its_files_are_lost(data: Path) -> None:
    runs, store = data / "runs", data / "tiled"
    (store / "tables.duckdb").unlink()
    with pytest.raises(StoreError, match=r"1 of its \d+ data files are missing"):
        verify(runs, store)
    path = closed_runs(runs)[0]
    path.rename(data / path.name)
    summary = synced(data)
    assert "Nothing was deleted" in summary.trouble
    assert not summary.complete
    (data / path.name).rename(path)
    assert re.fullmatch(r"1 of its \d+ data files are missing", synced(data).remade)
    assert verify(runs, store).same


def test_why_a_run_does_not_come_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the summary and in upload.log; an uploader that dies again and again is not started for ever."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "uvicorn.py").write_text("raise SystemExit('no server today')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    make_runs(tmp_path / "runs", 1)
    uploader = Uploader(tmp_path / "runs", tmp_path / "tiled")
    uploader.start()
    log = tmp_path / "tiled" / "upload.log"
    deadline = time.monotonic() + 60
    while "no server today" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    summary = uploader.drain(0.1)
    assert len(summary.missing) == 1
    assert "no server today" in str(summary)

    (tmp_path / "site" / "fcntl.py").write_text("raise SystemExit('no uploader either')\n")
    again = Uploader(tmp_path / "runs", tmp_path / "tiled")
    again.start()
    summary = again.drain(60)
    assert "no uploader either" in summary.trouble
    assert not summary.complete
