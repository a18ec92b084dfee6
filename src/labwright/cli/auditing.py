"""`labwright audit`: the service's audit trail, read where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labwright.cli.output import console, counted, emit, table
from labwright.cli.words import when
from labwright.model.errors import ConfigError
from labwright.service.audit import anchor_file, head_of, listed, read_anchors, verify
from labwright.service.database import Door, door_place

CHUNK = 1000


def list_audit(place: str | Path, after: int, actor: str, *, json: bool) -> None:
    """Print the trail.

    Raises:
        ConfigError: there is none.
    """
    with _door(place) as door:
        rows = []
        while chunk := listed(door, after=after, most=CHUNK, actor=actor):
            after = chunk[-1]["seq"]
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


def verify_audit(place: str | Path, anchors: Sequence[Path], *, json: bool) -> int:
    """Check the trail against itself, the heads beside it and those that are given; the exit code.

    Raises:
        ConfigError: there is no trail, or a file is none of heads.
    """
    files = [*anchors]
    if "://" not in str(place) and (beside := anchor_file(Path(place).parent)).exists():
        files.append(beside)
    with _door(place) as door:
        heads = [head for path in files for head in read_anchors(path)]
        wrong, head = verify(door, heads), head_of(door)
    if json:
        emit({"head": str(head), "anchors": len(heads), "wrong": wrong})
    else:
        for words in wrong:
            console.print(words, style="bold red")
        said = "nothing was changed in it" if not wrong else "do not rely on it"
        console.print(f"{counted(head.seq, 'row')}, {counted(len(heads), 'head')} written elsewhere: {said}")
        console.print(f"head {head}", soft_wrap=True)
    return 1 if wrong else 0


def _door(place: str | Path) -> Door:
    there = door_place(place)
    if isinstance(there, Path) and not there.exists():
        raise ConfigError(f"there is no {there}: nothing was served from here over HTTP yet (labwright serve)")
    return Door(there)
