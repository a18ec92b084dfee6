"""The life of requests, without a lab: in whatever order things come, what cannot be changes nothing."""

from __future__ import annotations

import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.answers.desk import Cost
from labwright.service.audit import verify
from labwright.service.database import Door, door_place
from labwright.service.desk import quotas, requests
from labwright.service.desk.findings import Appraisal, Quote
from labwright.service.desk.requests import By
from labwright.service.desk.states import ENDED, EVENTS, STATES, TABLE, step
from labwright.service.problems import Problem
from labwright.service.requesting.asking import Visible, page_query
from labwright.service.schema import charge, request, request_event, review

LIMIT = 25.0

BY_HAND = """
draft                      edit:draft submit:submitted cancel:cancelled
submitted                  edit:submitted find_valid:validated find_wanting:needs_information cancel:cancelled
validated                  edit:submitted ask:needs_information review:under_review reject:rejected cancel:cancelled
needs_information          edit:needs_information submit:submitted reject:rejected cancel:cancelled
under_review               edit:submitted ask:needs_information review:under_review approve:approved reject:rejected cancel:cancelled
approved                   edit:submitted await_samples:awaiting_samples queue:queued cancel:cancelled expire:expired
awaiting_samples           edit:submitted receive:awaiting_samples queue:queued cancel:cancelled expire:expired
queued                     find_wanting:needs_information start:running cancel:cancelled ask_abort:queued complete:completed complete_with_deviations:completed_with_deviations fail:failed abort:aborted
running                    ask_operator:awaiting_operator ask_abort:running complete:completed complete_with_deviations:completed_with_deviations fail:failed abort:aborted
awaiting_operator          go_on:running ask_abort:awaiting_operator complete:completed complete_with_deviations:completed_with_deviations fail:failed abort:aborted
completed                  deliver:delivered
completed_with_deviations  deliver:delivered
failed                     deliver:delivered
aborted                    deliver:delivered
delivered                  close:closed
closed
rejected
cancelled
expired
"""  # noqa: E501

SAMPLE = {"label": "S"}


def by_hand() -> dict[tuple[str, str], str]:
    found = {}
    for line in BY_HAND.strip().splitlines():
        state, *moves = line.split()
        for move in moves:
            event, to = move.split(":")
            found[state, event] = to
    return found


def test_the_table_is_as_it_was_written_by_hand() -> None:
    assert {(state, event): one.to for (state, event), one in TABLE.items()} == by_hand()
    for state in ENDED:
        assert not any(before == state for before, _ in TABLE)
    for state in STATES:
        for event in EVENTS:
            if (state, event) not in TABLE:
                with pytest.raises(Problem) as refused:
                    step(state, event)
                assert (refused.value.code, refused.value.status) == ("state", 409)


def content(title: str, *, samples: bool = False) -> dict[str, Any]:
    return {
        "project": "solar",
        "title": title,
        "priority": "routine",
        "samples": [SAMPLE] if samples else [],
    }


def appraisal(experiments: int) -> Appraisal:
    cost = Cost(currency="", fixed=0, experiment=0, whole=0)
    quote = Quote(experiments=experiments, fixed_minutes={}, minutes={}, materials={}, containers={}, cost=cost)
    return Appraisal(quote=quote, lab_sha256="0")


def moved_on(connection: sa.Connection, row: Any, event: Any, by: By) -> Any:
    """What the desk does by itself: as its clerk, which gives back what was reserved for what cannot be done."""
    if event == "find_wanting":
        quotas.release(connection, row["n"])
    return requests.advance(connection, row, event, by)


class Life(RuleBasedStateMachine):
    """Requests of one project, whose quota is too small for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.door = Door(door_place(Path(self.folder.name) / "journal.sqlite"))
        self.rows: list[int] = []

    def teardown(self) -> None:
        try:
            assert verify(self.door) == []
        finally:
            self.door.close()
            self.folder.cleanup()

    @initialize()
    def limit(self) -> None:
        with self.door.writing() as connection:
            quotas.set_quota(connection, "solar", {"experiments": LIMIT})

    @precondition(lambda self: len(self.rows) < 3)
    @rule(samples=st.booleans())
    def create(self, samples: bool) -> None:
        with self.door.writing() as connection:
            made = requests.create(connection, content("first", samples=samples), By("ada"))
        self.rows.append(made["n"])

    def _try(self, data: st.DataObject, event: str, change: Any) -> None:
        """Do something to a request: it goes as the table by hand says, or is refused and changes nothing."""
        number = data.draw(st.sampled_from(self.rows))
        with self.door.reading() as connection:
            before = requests.row_of(connection, number)
        try:
            with self.door.writing() as connection:
                after = change(connection, requests.row_of(connection, number))
        except Problem as error:
            refused = error
        else:
            assert (before["state"], event) in by_hand()
            assert after["version"] > before["version"]
            return
        assert refused.status in (404, 409, 412), refused.detail
        with self.door.reading() as connection:
            assert requests.row_of(connection, number) == before

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), title=st.sampled_from(["first", "second"]), samples=st.booleans())
    def edit(self, data: st.DataObject, title: str, samples: bool) -> None:
        new = content(title, samples=samples)
        self._try(data, "edit", lambda connection, row: requests.edit(connection, row, new, By("ada")))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), experiments=st.integers(1, 12))
    def submit(self, data: st.DataObject, experiments: int) -> None:
        found = appraisal(experiments)
        self._try(data, "submit", lambda connection, row: requests.submit(connection, row, found, By("ada")))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), experiments=st.integers(1, 12))
    def find_valid(self, data: st.DataObject, experiments: int) -> None:
        found = appraisal(experiments)
        self._try(data, "find_valid", lambda connection, row: requests.found_valid(connection, row, found))

    @precondition(lambda self: self.rows)
    @rule(
        data=st.data(),
        who=st.sampled_from(["tom", "sam", "kim"]),
        kind=st.sampled_from(["technical", "safety"]),
        decision=st.sampled_from(["accept", "accept", "accept", "return", "reject"]),
        stale=st.sampled_from([False, False, False, True]),
    )
    def judge(self, data: st.DataObject, who: str, kind: Any, decision: Any, stale: bool) -> None:
        event = {"accept": "review", "return": "ask", "reject": "reject"}[decision]

        def change(connection: sa.Connection, row: Any) -> Any:
            digest = "0" * 64 if stale else row["digest"]
            return requests.judge(connection, row, kind, decision, digest, By(who), "because")

        self._try(data, event, change)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), barcode=st.sampled_from(["B1", "B2", "B3", "B4"]))
    def receive(self, data: st.DataObject, barcode: str) -> None:
        self._try(
            data, "receive", lambda connection, row: requests.receive(connection, row, "S", barcode, "", "", By("tom"))
        )

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), event=st.sampled_from(["cancel", "expire"]))
    def end(self, data: st.DataObject, event: Any) -> None:
        self._try(data, event, lambda connection, row: requests.end(connection, row, event, By("ada"), "enough"))

    @precondition(lambda self: self.rows)
    @rule(
        data=st.data(),
        event=st.sampled_from(["complete", "complete_with_deviations", "fail", "abort"]),
        share=st.floats(0, 1),
    )
    def settle(self, data: st.DataObject, event: Any, share: float) -> None:
        def change(connection: sa.Connection, row: Any) -> Any:
            quote = requests.quote_of(row)
            done = 0 if quote is None else int(share * quote.experiments)
            return requests.settle(connection, row, event, done, "over")

        self._try(data, event, change)

    @precondition(lambda self: self.rows)
    @rule(
        data=st.data(),
        event=st.sampled_from(
            ["queue", "start", "ask_operator", "go_on", "ask_abort", "deliver", "close", "find_wanting"]
        ),
    )
    def by_the_desk(self, data: st.DataObject, event: Any) -> None:
        self._try(data, event, lambda connection, row: moved_on(connection, row, event, By()))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), ends=st.sampled_from([False, False, False, False, True]))
    def onward(self, data: st.DataObject, ends: bool) -> None:
        """What may come next comes: without it, few requests would live long."""
        number = data.draw(st.sampled_from(self.rows))
        with self.door.writing() as connection:
            row = requests.row_of(connection, number)
            backward = ("cancel", "reject", "expire", "edit", "ask", "find_wanting")
            events = [event for state, event in by_hand() if state == row["state"] and (event in backward) == ends]
            if not events:
                return
            event: Any = data.draw(st.sampled_from(events))
            by_itself = ("approve", "await_samples") if row["state"] != "under_review" else ("approve",)
            if event in by_itself:  # comes with the last review
                return
            if event == "edit":
                requests.edit(connection, row, content("third"), By("ada"))
            elif event == "submit":
                requests.submit(connection, row, appraisal(2), By("ada"))
            elif event == "find_valid":
                requests.found_valid(connection, row, appraisal(3))
            elif event == "review":
                for kind, who in (("technical", "tom"), ("safety", "sam")):
                    if row["state"] in ("validated", "under_review") and who not in self._who(connection, row):
                        row = requests.judge(connection, row, kind, "accept", row["digest"], By(who), "well")  # type: ignore[arg-type]
            elif event == "receive" or (event, row["state"]) == ("queue", "awaiting_samples"):
                requests.receive(connection, row, "S", f"B-{number}-{row['version']}", "", "", By("tom"))
            elif event in ("complete", "complete_with_deviations", "fail", "abort"):
                requests.settle(connection, row, event, 1, "over")
            elif event in ("cancel", "expire"):
                requests.end(connection, row, event, By("ada"), "enough")
            else:
                moved_on(connection, row, event, By("tom"))

    @staticmethod
    def _who(connection: sa.Connection, row: Any) -> set[str]:
        """Who has accepted it as it is."""
        mine = (review.c.request == row["n"], review.c.digest == row["digest"], review.c.decision == "accept")
        return set(connection.execute(sa.select(review.c.reviewer).where(*mine)).scalars())

    @invariant()
    def nothing_is_taken_beyond_the_quota(self) -> None:
        with self.door.reading() as connection:
            state = quotas.state_of(connection, "solar")["experiments"]
        assert state["reserved"] + state["charged"] <= LIMIT

    @invariant()
    def what_was_approved_was_accepted_as_it_is_by_two_people(self) -> None:
        with self.door.reading() as connection:
            for number in self.rows:
                row = requests.row_of(connection, number)
                reserved = connection.execute(
                    sa.select(charge).where(charge.c.request == number, charge.c.charged.is_(None))
                ).all()
                if row["state"] in ("approved", "awaiting_samples", "queued", "running", "awaiting_operator"):
                    mine = (review.c.request == number, review.c.digest == row["digest"], review.c.decision == "accept")
                    rows = connection.execute(sa.select(review.c.kind, review.c.reviewer).where(*mine)).all()
                    assert len({who for _, who in rows}) >= 2
                    assert {kind for kind, _ in rows} == {"technical", "safety"}
                    assert reserved
                else:
                    assert not reserved

    @invariant()
    def its_history_has_no_gap(self) -> None:
        with self.door.reading() as connection:
            for number in self.rows:
                mine = request_event.c.request == number
                events = connection.execute(sa.select(request_event).where(mine).order_by(request_event.c.id)).all()
                states = ["", *(one.after for one in events)]
                assert [one.before for one in events] == states[:-1]
                assert states[-1] == requests.row_of(connection, number)["state"]


Life.TestCase.settings = settings(max_examples=15, stateful_step_count=50, deadline=None)
TestLife = Life.TestCase


def test_it_is_kept_in_both_databases(door: Door) -> None:
    with door.writing() as connection:
        row = requests.create(connection, content("mine"), By("ada", "key", "trace"))
        requests.submit(connection, row, appraisal(2), By("ada"))
    with door.reading() as connection:
        shown = requests.shown(connection, requests.row_of(connection, row["n"]))
    assert (shown["id"], shown["state"], shown["possible"]) == (
        *("R1", "validated"),
        ["ask", "cancel", "edit", "reject", "review"],
    )
    assert orjson.dumps(shown)


def in_large(door: Door) -> None:
    """Ten thousand requests of seven projects; each twentieth is as long as real ones are."""
    now_s = time.time()
    rows = [
        {
            "project": f"p{number % 7}", "owner": "ada", "title": f"number {number}", "state": "draft", "version": 1,
            "priority": "routine", "digest": "", "created_s": now_s, "changed_s": now_s,
            "content": "x" * (0 if number % 20 else 20_000), "appraisal": "y" * (0 if number % 20 else 20_000),
        }
        for number in range(1, 10_001)
    ]  # fmt: skip
    with door.writing() as connection:
        connection.execute(sa.insert(request), rows)


SEEN = (
    Visible(),
    Visible(["p1"]),
    Visible(["p1", "p2"]),
    Visible(["p1", "p2", "p3"], [5, 7, 8]),
    Visible([], [5]),
)
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"state": "draft"},
    {"project": "p1"},
    {"owner": "ada"},
    {"project": "p2", "state": "draft"},
)


def test_ten_thousand_requests_are_listed_a_page_at_a_time(file_door: Door) -> None:
    in_large(file_door)
    for visible, filters, cursor in product(SEEN, FILTERS, (None, 9000)):
        query = page_query(visible, {"project": "", **filters}, cursor, 200)
        with file_door.reading() as connection:
            assert isinstance(query, sa.ClauseElement)
            words = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            plan = [str(one.detail) for one in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {words}"))]
        unordered = [one for one in plan if "TEMP B-TREE" in one]
        assert unordered == [], (plan, visible, filters)
        in_order = visible.projects is None and not filters and cursor is None  # from the end, until a page is full
        assert in_order or not [one for one in plan if one.startswith("SCAN door_request")], (plan, visible, filters)


@pytest.mark.parametrize("projects", [["p1"], ["p1", "p3"], [f"p{number}" for number in range(100)]])
def test_each_request_that_is_seen_is_listed_once(door: Door, projects: list[str]) -> None:
    in_large(door)
    seen: list[int] = []
    cursor = None
    visible = Visible(projects, [5, 8, 9999])
    while page := door.rows(page_query(visible, {"project": ""}, cursor, 199)):
        assert requests.listed(page[0])["title"] == f"number {page[0]['n']}"
        assert not {"content", "appraisal"} & {*page[0]}
        seen += [row["n"] for row in page]
        cursor = page[-1]["n"]
    expected = [n for n in range(10_000, 0, -1) if f"p{n % 7}" in projects or n in (5, 8, 9999)]
    assert seen == expected
    only = [row["n"] for row in door.rows(page_query(visible, {"project": "p5"}, 300, 199))]
    assert only == [n for n in range(299, 0, -1) if n % 7 == 5 and ("p5" in projects or n == 5)]
