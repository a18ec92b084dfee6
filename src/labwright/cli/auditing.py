"""`labwright audit`: the service's audit trail, read where it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, Site, done, on_folder, seen
from labwright.cli.words import when
from labwright.journal import Journal
from labwright.model.errors import ConfigError
from labwright.service.audit import anchor_file, head_of, listed, read_anchors, verify
from labwright.service.database import Door, door_place
from labwright.service.traces import traced

CHUNK = 1000


def list_audit(place: Place, after: int, actor: str, *, json: bool) -> None:
    """Print the trail.

    Raises:
        ConfigError: there is none.
    """
    rows: list[Mapping[str, Any]] = []
    if isinstance(place, Site):
        found: list[Mapping[str, Any]] = done(
            place, lambda journal: [], lambda client: list(client.audit.list(after, actor))
        )
        chunks: Iterator[list[Mapping[str, Any]]] = iter([found])
    else:
        chunks = _chunks(place, after, actor)
    for chunk in chunks:
        if json:
            emit(*({**row, "allowed": bool(row["allowed"])} for row in chunk))
        else:
            rows += chunk
    if not json:
        columns = ("number", "UTC", "who", "did", "to", "", "because")
        cells = [
            (
                row["seq"],
                when(row["at_s"]),
                row["actor"],
                row["action"],
                row["target"],
                "" if row["allowed"] else "REFUSED",
                row["because"],
            )
            for row in rows
        ]
        table("", columns, cells, json=False)


def _chunks(place: str | Path, after: int, actor: str) -> Iterator[list[Mapping[str, Any]]]:
    with _door(place) as door:
        while chunk := listed(door, after=after, most=CHUNK, actor=actor):
            after = chunk[-1]["seq"]
            yield chunk


def show_trace(place: Place, trace: str, *, json: bool) -> None:
    """Show what one request over HTTP has led to.

    Raises:
        ConfigError: nothing has this trace.
    """

    def here(journal: Journal) -> dict[str, Any]:
        assert not isinstance(place, Site)  # noqa: S101 - tells mypy
        with _door(place) as door:
            return traced(door, journal, trace)

    found = seen(place, here, lambda client: client.audit.trace(trace)).facts
    if not found["audit"] and not found["commands"]:
        raise ConfigError(f"nothing has the trace {trace[:64]!r}; each answer over HTTP has its own in X-Trace-Id")
    if json:
        emit(found)
        return
    rows = [(row["seq"], when(row["at_s"]), row["actor"], row["action"], row["target"]) for row in found["audit"]]
    table("Audit trail", ("number", "UTC", "who", "did", "to"), rows, json=False)
    commands = [(row["id"], when(row["asked_s"]), row["by"], row["kind"], row["answer"]) for row in found["commands"]]
    table("Commands", ("number", "UTC", "by", "asked", "answer"), commands, json=False)
    for name in found["campaigns"]:
        console.print(f"It has started {name}", markup=False)
    operations = [
        (one["step_id"], f"{one['device']}.{one['axis']}" if one["axis"] else one["device"], one["value"], one["state"])
        for one in found["operations"]
    ]
    title = counted(found["operations_in_all"], "operation")
    table(title, ("step", "device", "value", "state"), operations, json=False)


def verify_audit(place: Place, anchors: Sequence[Path], *, json: bool) -> int:
    """Check the trail against itself, the heads beside it and those that are given; the exit code.

    Raises:
        ConfigError: there is no trail, or a file is none of heads.
        RefusedError: files are given, and the trail is at a service.
    """
    if isinstance(place, Site):
        if anchors:
            on_folder(place, "comparing the audit trail with a file of heads")
        found = done(place, lambda journal: {}, lambda client: client.audit.verify())
        head, number, wrong = found["head"], found["anchors"], found["wrong"]
    else:
        head, number, wrong = _verified(place, anchors)
    if json:
        emit({"head": head, "anchors": number, "wrong": wrong})
    else:
        for words in wrong:
            console.print(words, style="bold red")
        said = "nothing was changed in it" if not wrong else "do not rely on it"
        rows = int(head.partition(":")[0])
        console.print(f"{counted(rows, 'row')}, {counted(number, 'head')} written elsewhere: {said}")
        console.print(f"head {head}", soft_wrap=True)
    return 1 if wrong else 0


def _verified(place: str | Path, anchors: Sequence[Path]) -> tuple[str, int, list[str]]:
    files = [*anchors]
    if "://" not in str(place) and (beside := anchor_file(Path(place).parent)).exists():
        files.append(beside)
    with _door(place) as door:
        heads = [head for path in files for head in read_anchors(path)]
        return str(head_of(door)), len(heads), verify(door, heads)


def _door(place: str | Path) -> Door:
    there = door_place(place)
    if isinstance(there, Path) and not there.exists():
        raise ConfigError(f"there is no {there}: nothing was served from here over HTTP yet (labwright serve)")
    return Door(there)
