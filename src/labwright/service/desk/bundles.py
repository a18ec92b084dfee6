"""What is delivered: a ZIP file with what was asked, what came of it, and where each number comes from.

It is written for one request, once it is over, and never changed: it carries the SHA-256 of each of its files, the
head of the audit trail, and the ids of raw runs that were not where it was written. A service that has it not, since
another one wrote it, writes its own. Its index is an RO-Crate (https://w3id.org/ro/crate/1.1).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from labwright._version import __version__
from labwright.facts.exporting import csv_lines, export_rows
from labwright.journal import Journal
from labwright.journal.runs import run_files
from labwright.report import html, read_record
from labwright.service.audit import head_of
from labwright.service.database import Door
from labwright.service.desk import requests
from labwright.service.schema import request_event

FOLDER = "deliveries"
"""In the data folder."""


def bundle_file(data: Path, number: int) -> Path:
    """Where the bundle of a request is."""
    return data / FOLDER / f"R{number}.zip"


def write_bundle(door: Door, data: Path, journal: Journal, row: Mapping[str, Any]) -> Path:
    """Write the bundle of a request that is over; where it is.

    Args:
        door: the service's database.
        data: the data folder.
        journal: of the lab.
        row: of the request.

    Raises:
        JournalError: what it is made of cannot be read.
        OSError: it cannot be written.
    """
    path = bundle_file(data, row["n"])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")  # another service may write the same one
    sums: dict[str, tuple[str, int, str]] = {}
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content, kind in _files(door, journal, data, row):
                archive.writestr(name, content)
                sums[name] = hashlib.sha256(content).hexdigest(), len(content), kind
            archive.writestr("ro-crate-metadata.json", orjson.dumps(_crate(row, sums), option=orjson.OPT_INDENT_2))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _files(door: Door, journal: Journal, data: Path, row: Mapping[str, Any]) -> Iterator[tuple[str, bytes, str]]:
    """Name, content and media type of each."""
    with door.reading() as connection:
        shown = requests.shown(connection, row)
    mine = sa.select(request_event).where(request_event.c.request == row["n"]).order_by(request_event.c.id)
    history = [{**one, "detail": orjson.loads(one["detail"])} for one in door.rows(mine)]
    record = read_record(journal, row["campaign"]) if row["campaign"] else None
    there = run_files(data / "runs") if record is not None else {}
    steps = record.steps.values() if record is not None else ()
    uids = list(dict.fromkeys(uid for outcome in steps for uid in outcome.run_uids))
    missing = [uid for uid in uids if uid not in there]
    about = {**shown, "audit_head": str(head_of(door)), "missing_runs": missing}
    yield "request.json", _pretty(about), "application/json"
    yield "history.json", _pretty(history), "application/json"
    if record is None:
        return
    yield "experiments.csv", "".join(csv_lines(export_rows(journal, row["campaign"]))).encode(), "text/csv"
    yield "report.html", html(record).encode(), "text/html"
    for uid in uids:
        if uid in there:
            yield f"runs/{uid}.jsonl", there[uid].read_bytes(), "application/jsonl"


def _crate(row: Mapping[str, Any], sums: Mapping[str, tuple[str, int, str]]) -> dict[str, Any]:
    content = orjson.loads(row["content"])
    files = [
        {"@id": name, "@type": "File", "sha256": digest, "contentSize": str(size), "encodingFormat": kind}
        for name, (digest, size, kind) in sums.items()
    ]
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": content["title"],
                "description": f"Request R{row['n']} of {row['project']}, carried out by Labwright {__version__}",
                "datePublished": datetime.fromtimestamp(time.time(), UTC).date().isoformat(),
                "license": f"data class {content['data_class']}: see request.json",
                "identifier": row["campaign"] or f"R{row['n']}",
                "hasPart": [{"@id": one["@id"]} for one in files],
            },
            *files,
        ],
    }


def _pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
