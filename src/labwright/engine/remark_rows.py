"""What people have said, as rows of the journal's tables."""

from __future__ import annotations

import orjson

from labwright.engine.events import DeviationClosed, DeviationOpened, NoteWritten, Remark
from labwright.model.rows import Key, Row


def remark_rows(event: Remark) -> dict[Key, Row]:
    """The columns that an event changes, by table and id.

    Args:
        event: what a person has said.
    """
    match event:
        case NoteWritten():
            note: Row = {
                "id": event.id, "n": number_of(event.id), **_about(event), "text": event.text, "by": event.by,
                "said_s": event.said_s, "replaces": event.replaces,
            }  # fmt: skip
            rows: dict[Key, Row] = {("note", event.id): note}
            if event.replaces:
                rows["note", event.replaces] = {"id": event.replaces, "replaced_by": event.id}
            return rows
        case DeviationOpened():
            same = ("expected", "happened", "category", "severity", "action", "use", "by", "said_s")
            opened: Row = {
                "id": event.id, "n": number_of(event.id), **_about(event), "state": "open", "first_use": event.use,
                "experiments": orjson.dumps(event.experiments).decode(),
                **{name: getattr(event, name) for name in same},
            }  # fmt: skip
            return {("deviation", event.id): opened}
        case DeviationClosed():
            closed: Row = {
                "id": event.id, "state": "closed", "use": event.use, "conclusion": event.conclusion,
                "closed_by": event.by, "closed_s": event.said_s,
            }  # fmt: skip
            return {("deviation", event.id): closed}


def number_of(name: str) -> int:
    """The number of a note or a deviation, by its id."""
    return int(name[1:])


def _about(event: NoteWritten | DeviationOpened) -> Row:
    about = event.about
    return {"about": about.kind, "name": about.name, "campaign": about.campaign, "label": about.label}
