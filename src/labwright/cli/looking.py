"""Verbs that only look: stations, runs, the machine."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from labwright.cli.output import console, counted, emit, table, working
from labwright.cli.sites import Site, done
from labwright.cli.words import quoted
from labwright.journal import find_run, read_run
from labwright.model.errors import ConfigError, DeviceError, JournalError, LabwrightError, StoreError, unknown
from labwright.model.figures import spelled

if TYPE_CHECKING:
    from labwright.model.lab import LabModel

MEASURE_S = 60.0
"""Wall seconds a device may take for one measurement in `station test`; an impedance sweep is the slowest."""


def list_stations(place: Path | Site, *, json: bool) -> None:
    """Stations, the devices of each, and where those are; of a lab's folder, or of the lab of a service."""
    from labwright.facts.lab import station_rows
    from labwright.lab import read_lab

    if isinstance(place, Site):
        found = done(place, lambda journal: {}, lambda client: client.lab.stations())
        title, rows = found["title"], found["items"]
    else:
        model = read_lab(place).model
        title, rows = model.title, station_rows(model)
    columns = ("station", "title", "role", "device", "driver", "address")
    table(title, columns, [[row[one] for one in columns] for row in rows], json=json)


def read_stations(root: Path, name: str | None, *, simulated: bool, endpoints: Path | None, json: bool) -> None:
    """Connect to the devices of one station or of all, trigger and read each.

    Raises:
        ConfigError: no such station.
        UnreachableError: devices do not answer.
        DeviceError: devices answer, but cannot measure.
    """
    from labwright.cli.simulating import opened
    from labwright.lab.classes import in_words

    with opened(root, simulated=simulated, endpoints=endpoints, speed=0.0, seed=0) as (folder, lab, _):
        stations = folder.model.stations
        if name is not None and name not in stations:
            raise ConfigError(unknown("station", name, list(stations)))
        chosen = {name: stations[name]} if name else stations
        wanted = dict.fromkeys(
            device for key, one in chosen.items() for device in [*folder.model.devices_at(key), *one.monitors]
        )
        failures: dict[str, str] = {}
        rows = []
        lab.open(wanted)
        try:
            for device in wanted:
                try:
                    with in_words(DeviceError, "its driver fails"):
                        rows += _measured(lab.devices[device])
                except DeviceError as error:
                    failures[device] = str(error)
        finally:
            lab.close()
        table("SIMULATED" if lab.simulated else "", ("device", "reading", "value", "unit"), rows, json=json)
        if failures:
            told = "\n".join(f"  {device}: {why}" for device, why in failures.items())
            raise DeviceError(f"{len(failures)} of {len(wanted)} devices cannot measure:\n{told}")


def _measured(device: Any) -> list[tuple[str, str, str, str]]:
    device.trigger().wait(MEASURE_S)
    described = device.describe()
    return [
        (device.name, key, _short(reading["value"]), described[key].get("units", ""))
        for key, reading in device.read().items()
    ]


def list_runs(data: Path | Site, *, json: bool) -> None:
    """Runs in the journal, oldest first."""
    from labwright.facts.run_index import RunIndex
    from labwright.facts.runs import run_row

    columns = ("run", "began (UTC)", "campaign", "experiment", "step", "events", "ended")
    if isinstance(data, Site):
        rows = done(data, lambda journal: [], lambda client: list(client.runs.list()))
        where = data.url
    else:
        rows, where = [run_row(one) for one in RunIndex(data / "runs").runs()], str(data / "runs")
    table(
        f"{counted(len(rows), 'run')} in {where}", columns, [[row[one] for one in columns] for row in rows], json=json
    )


def _documents(data: Path | Site, uid: str) -> list[tuple[str, dict[str, Any]]]:
    """All documents of a run."""
    if isinstance(data, Site):
        return done(data, lambda journal: [], lambda client: list(client.runs.documents(uid)))
    return read_run(find_run(data / "runs", uid))


def show_run(data: Path | Site, uid: str, *, json: bool) -> None:
    """One run: its start, and every event."""
    from labwright.facts.run_readings import values_of

    documents = _documents(data, uid)
    if json:
        for name, document in documents:
            emit([name, document])
        return
    start, stop = documents[0][1], documents[-1][1]
    labwright = {key: value for key, value in start.get("labwright", {}).items() if key != "parameters"}
    console.print(f"run {start['uid']}: {stop.get('exit_status')} {stop.get('reason', '')}".rstrip(), markup=False)
    for key, value in {**labwright, **start.get("labwright", {}).get("parameters", {})}.items():
        console.print(f"  {key}: {_short(value)}")
    rows = [(stream, number, key, _short(value), unit) for stream, number, key, value, unit, _ in values_of(documents)]
    table("", ("stream", "event", "reading", "value", "unit"), rows, json=False)


def export_run(data: Path | Site, uid: str, to: Path) -> None:
    """Write a run as CSV (one line a reading) or as JSON lines (all documents).

    Raises:
        typer.BadParameter: an ending this cannot write.
        ConfigError: no such run.
    """
    from labwright.facts.run_readings import csv_of

    if to.suffix not in (".csv", ".jsonl"):
        what = to.suffix or "a file without an ending"
        raise typer.BadParameter(f"{to}: cannot write {what}; give a name in .csv or .jsonl")
    documents = _documents(data, uid)
    if to.suffix == ".csv":
        with to.open("w", newline="", encoding="utf-8") as file:
            file.writelines(csv_of(documents))
    else:
        to.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in documents))
    console.print(f"{len(documents)} documents written to {to}")


def sync_store(data: Path, timeout_s: float, *, json: bool) -> None:
    """Upload what is missing, and wait.

    Raises:
        StoreError: runs are missing in the store when the time is over.
    """
    from labwright.store import Uploader

    uploader = Uploader(data / "runs", data / "tiled")
    uploader.start()
    with working(f"uploading what {data / 'tiled'} lacks"):
        summary = uploader.drain(timeout_s)
    if json:
        emit(
            {
                "uploaded": summary.uploaded,
                "already": summary.already,
                "failed": summary.failed,
                "missing": summary.missing,
                "remade": summary.remade,
                "reason": summary.trouble,
            }
        )
    else:
        console.print(str(summary), markup=False)
    if not summary.complete:
        raise StoreError(f"the data store in {data / 'tiled'} is not complete: {summary}")


def verify_store(data: Path, *, json: bool) -> None:
    """Compare the journal with the store.

    Raises:
        StoreError: something is missing, different or extra, or the store cannot be read.
    """
    from labwright.store import verify

    store = data / "tiled"
    with working("comparing the journal with the data store"):
        found = verify(data / "runs", store, lambda words: console.print(words, markup=False))
    if json:
        emit(
            {
                "documents": found.documents,
                "missing": found.missing,
                "different": found.different,
                "extra": found.extra,
                "unknown_runs": found.unknown_runs,
            }
        )
    else:
        console.print(
            f"{found.documents} documents in the journal; in the data store {len(found.missing)} missing, "
            f"{len(found.different)} different, {len(found.extra)} extra",
            markup=False,
        )
    if found.unknown_runs:
        raise StoreError(
            f"{store} holds {counted(len(found.unknown_runs), 'run')} without a file in {data / 'runs'}: "
            f"{_first(found.unknown_runs)}. The journal is the archive: put these files back from a copy"
        )
    if found.different or found.extra:
        raise StoreError(
            f"{store} differs from the journal: {_first([*found.different, *found.extra, *found.missing])}. Make it "
            f"again: rm -r {quoted(store)}, then labwright store sync --data {quoted(data)}"
        )
    if found.missing:
        raise StoreError(
            f"missing in {store}: {_first(found.missing)}. Upload it with: labwright store sync --data {quoted(data)}"
        )


def _first(lines: list[str], most: int = 5) -> str:
    return "; ".join(lines[:most]) + (f" and {len(lines) - most} more" if len(lines) > most else "")


def diagnose(root: Path, place: str | Path | None, *, json: bool) -> None:
    """Check what Labwright needs on this machine, and whether a journal's ledger adds up.

    Args:
        root: of the lab.
        place: of the journal; None if there is none yet.
        json: whether a program reads it.

    Raises:
        ConfigError: the lab cannot run because of a failed check.
    """
    from labwright.lab import read_lab

    rows: list[tuple[str, str, str]] = [("python", "ok", platform.python_version())]
    wrong = 0
    for package in (
        "labwright",
        "bluesky",
        "ophyd",
        "pyserial",
        "pyvisa",
        "aiomqtt",
        "scikit-optimize",
        "databroker",
        "tiled",
    ):
        try:
            rows.append((package, "ok", importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((package, "missing", "install Labwright again"))
            wrong += 1
    there = next(one for one in (root.absolute(), *root.absolute().parents) if one.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    rows.append(("free disk", "ok" if free_gb > 1 else "low", f"{free_gb:.1f} GB at {there}"))
    model = None
    try:
        folder = read_lab(root)
        model = folder.model
        rows.append(("lab", "ok", f"{folder.model.title} in {root}"))
        for name, port in folder.model.ports.items():
            path = getattr(port, "path", None)
            if path is not None:
                state = "ok" if Path(path).exists() else "absent"
                rows.append((f"port {name}", state, f"{path} (a simulation has its own)"))
    except LabwrightError as error:
        rows.append(("lab", "wrong", str(error)))
        wrong += 1
    for deck, problems in _audited(place, model):
        rows.append((f"ledger of {deck}", "wrong" if problems else "ok", "; ".join(problems) or "it adds up"))
        wrong += bool(problems)
    table("", ("what", "state", "detail"), rows, json=json)
    if wrong:
        raise ConfigError(f"{wrong} of {len(rows)} checks failed; see above")


def _audited(place: str | Path | None, model: LabModel | None) -> Iterator[tuple[str, list[str]]]:
    """Each deck of a journal with what is wrong in its ledger; the journal itself where it cannot be read."""
    from labwright.engine.auditing import audit
    from labwright.engine.recounting import decks
    from labwright.journal import Journal, instruments_words

    if place is None:
        return
    try:
        with Journal.reading(place) as journal:
            for deck in decks(journal):
                yield instruments_words(deck), audit(journal, deck, model)
    except JournalError as error:
        yield str(place), [str(error)]


def _short(value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return f"{len(value)} values"
    return spelled(value, 6)
