"""Whose campaigns are, and who may see them: looked up for one as for many, in as few queries for many as for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labwright.journal import Journal, NewEvent
from labwright.service.classes import DataPolicy, Reach, allow, set_policy
from labwright.service.database import Door
from labwright.service.owned import Owned
from labwright.service.rights import Resource
from labwright.service.schema import request

GROUP = frozenset({"consortium"})


def filled(door: Door, many: int) -> None:
    """Requests of which each odd one became a campaign, with classes and grants of theirs, and of other campaigns."""
    row = {"project": "p", "owner": "ada", "state": "running", "version": 1, "priority": "routine", "digest": ""}
    with door.writing() as connection:
        for n in range(1, many + 1):
            campaign = f"request_{n}" if n % 2 else ""
            values = {**row, "title": f"{n}", "campaign": campaign, "created_s": 0.0, "changed_s": 0.0}
            connection.execute(sa.insert(request).values(**values))
            set_policy(connection, "request", f"R{n}", DataPolicy("shared_closed", GROUP), "dan", "x")
            allow(connection, "request", f"R{n}", "gus", None)
            allow(connection, "request", f"R{n}", "old", 1.0)
            allow(connection, "campaign", f"alone_{n}", "gus", None)
        open_ = DataPolicy("open", export_control="not_controlled")
        for name in ("alone", "request_1"):  # one of these has a request, whose class it has
            set_policy(connection, "campaign", name, open_, "dan", "x")


def test_what_is_known_of_many_is_what_is_known_of_each(door: Door) -> None:
    filled(door, 4)
    known = Owned(door).known()
    shared, granted = Reach("shared_closed", GROUP, frozenset({"gus"})), Reach(granted=frozenset({"gus"}))
    expected = {"request_1": shared, "request_3": shared, "alone": Reach("open")}
    assert known == expected | {f"alone_{n}": granted for n in range(1, 5)}


def test_a_campaign_of_a_request_has_its_owner(file_door: Door, tmp_path: Path) -> None:
    filled(file_door, 2)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        specs: dict[tuple[str | int, ...], Any] = {
            ("campaign_spec", name): {"campaign": name, "spec": '{"project": "p"}'} for name in ("request_1", "alone")
        }
        journal.record([NewEvent("alone", "started", b'{"kind": "started"}', b"[]", 1.0, specs)])
        one, alone = (Owned(file_door).campaign(journal, name) for name in ("request_1", "alone"))
    granted = frozenset({"gus"})
    assert one == Resource("campaign", "request_1", "p", "ada", "shared_closed", groups=GROUP, granted=granted)
    assert alone == Resource("campaign", "alone", "p", data_class="open")


def test_many_take_no_more_queries_than_few(file_door: Door) -> None:
    counted: list[str] = []

    def count(*given: Any) -> None:
        counted.append(given[2])

    numbers = []
    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        for many in (3, 30):
            filled(file_door, many)
            counted.clear()
            Owned(file_door).known()
            numbers.append(len([one for one in counted if one.startswith("SELECT")]))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert numbers == [2, 2]
