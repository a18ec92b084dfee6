"""The audit trail: whatever is done to it afterwards is seen, as far as it can be."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from labwright.model.errors import ConfigError
from labwright.service.audit import Entry, Head, append, head_of, listed, read_anchors, verify, write_anchor
from labwright.service.database import Door
from labwright.service.schema import audit


def filled(door: Door, number: int = 5) -> Head:
    for each in range(1, number + 1):
        with door.writing() as connection:
            append(connection, [Entry("kim", "campaign.pause", f"campaign/c-{each}", because="ä'\n")])
    return head_of(door)


def test_who_did_what_is_listed_and_holds_together(door: Door) -> None:
    assert verify(door) == []
    head = filled(door)
    with door.writing() as connection:
        refused = Entry("lee", "lab.stop", "lab/", allowed=False, because="no role", before={"b": 1, "a": None})
        append(connection, [refused, Entry("kim", "data.tighten", "data/1", after="closed")])
    assert head.seq == 5
    assert [(row["seq"], row["actor"], row["allowed"]) for row in listed(door, after=5)] == [
        (6, "lee", 0),
        (7, "kim", 1),
    ]
    assert [row["target"] for row in listed(door, actor="lee")] == ["lab/"]
    assert verify(door, [head, head_of(door)]) == []


def test_nothing_is_recorded_of_what_does_not_happen(door: Door) -> None:
    with contextlib.suppress(ZeroDivisionError), door.writing() as connection:
        append(connection, [Entry("kim", "lab.stop", "lab/")])
        raise ZeroDivisionError
    assert head_of(door).seq == 0


ATTACKS: dict[str, tuple[Callable[[], sa.Executable], str]] = {
    "changed": (lambda: sa.update(audit).where(audit.c.seq == 3).values(actor="lee"), "row 3 was changed"),
    "removed": (lambda: sa.delete(audit).where(audit.c.seq == 3), "rows 3 to 3 are missing"),
    "allowed after all": (lambda: sa.update(audit).where(audit.c.seq == 2).values(allowed=False), "row 2 was changed"),
    "cut off": (lambda: sa.delete(audit).where(audit.c.seq > 3), "its end was removed"),
    "emptied": (lambda: sa.delete(audit), "its end was removed"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_done_to_it_afterwards_is_seen(door: Door, attack: str) -> None:
    head = filled(door)
    statement, words = ATTACKS[attack]
    with door.writing() as connection:
        connection.execute(statement())
    assert words in "; ".join(verify(door, [head]))


def test_a_trail_that_was_written_anew_is_another_than_its_anchor_says(door: Door) -> None:
    head = filled(door)
    with door.writing() as connection:
        connection.execute(sa.delete(audit))
    filled(door, 6)
    assert verify(door) == [], "the chain alone cannot tell"
    assert "another trail" in "; ".join(verify(door, [head]))


def test_many_writers_make_one_chain(door: Door) -> None:
    def write() -> None:
        for _ in range(20):
            with door.writing() as connection:
                append(connection, [Entry("kim", "lab.read", "lab/")])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert head_of(door).seq == 80
    assert verify(door) == []


def test_anchors_are_read_back_and_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    heads, path = [Head(1, "a" * 64), Head(7, "b" * 64)], tmp_path / "heads.txt"
    for one in heads:
        write_anchor(path, one)
    with path.open("a") as file:
        file.write("9:abc")
    assert read_anchors(path) == heads
    path.write_text("nothing of the kind\n")
    with pytest.raises(ConfigError, match=r"heads.txt:1: 'nothing of the kind' is not NUMBER:DIGEST"):
        read_anchors(path)
