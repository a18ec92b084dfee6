"""Requests as they are kept: written down, moved through their life, reviewed, shown. All in the caller's transaction.

Whatever happens to a request is one row in its history, one in the audit trail, and one version more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from labwright.model.figures import when
from labwright.model.rows import Row
from labwright.service.audit import Entry, append
from labwright.service.desk import quotas
from labwright.service.desk.content import digest_of
from labwright.service.desk.findings import Appraisal, Quote
from labwright.service.desk.states import ENDED, STATES, TABLE, Event, State, step
from labwright.service.problems import Problem
from labwright.service.schema import arrival, charge, request, request_event, review

DESK = "labwright"
"""The actor of what the desk does by itself."""

Kind = Literal["technical", "safety"]

_ID = re.compile(r"R([1-9][0-9]{0,17})")

OPEN: tuple[State, ...] = tuple(one for one in STATES if one not in (*ENDED, "draft", "delivered"))


@dataclass(frozen=True)
class By:
    """Who does something to a request.

    Attributes:
        id: of the person or program; `DESK` for the desk itself.
        via: id of the key or session.
        trace: of the HTTP request.
    """

    id: str = DESK
    via: str = ""
    trace: str = ""


def number_of(name: str) -> int:
    """The number of a request ``R17``.

    Raises:
        Problem: it is no such name.
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise Problem("not_found", f"there is no request {name[:40]!r}, or you may not see it")
    return int(found[1])


def create(connection: sa.Connection, content: Mapping[str, Any], by: By) -> Row:
    """Write a draft down; its row."""
    now_s = time.time()
    values = {
        "project": content["project"],
        "owner": by.id,
        "title": content["title"],
        "state": "draft",
        "version": 1,
        "priority": content["priority"],
        "content": orjson.dumps(content).decode(),
        "digest": digest_of(dict(content)),
        "created_s": now_s,
        "changed_s": now_s,
    }
    number = connection.execute(sa.insert(request).values(**values).returning(request.c.n)).scalar_one()
    row = row_of(connection, int(number))
    _record(connection, row, "create", "", by, "", {"digest": row["digest"]})
    return row


def row_of(connection: sa.Connection, number: int) -> Row:
    """The row of a request.

    Raises:
        Problem: there is none.
    """
    found = connection.execute(sa.select(request).where(request.c.n == number)).mappings().first()
    if found is None:
        raise Problem("not_found", f"there is no request R{number}, or you may not see it")
    return dict(found)


def advance(
    connection: sa.Connection,
    row: Mapping[str, Any],
    event: Event,
    by: By,
    because: str = "",
    detail: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Row:
    """Move a request on; its row afterwards.

    Args:
        connection: in a transaction, in which the row was read.
        row: as it is now.
        event: what happens.
        by: who does it.
        because: why.
        detail: what else is to be known of it, as JSON.
        columns: of the row that change with it.

    Raises:
        Problem: this cannot happen in its state.
    """
    to = step(row["state"], event).to
    now_s = time.time()
    values = {"note": "", **columns, "state": to, "version": row["version"] + 1, "changed_s": now_s}
    mine = (request.c.n == row["n"], request.c.version == row["version"])
    if connection.execute(sa.update(request).where(*mine).values(**values)).rowcount != 1:
        raise Problem("state", f"R{row['n']} has changed meanwhile; read it again")
    changed = {**row, **values}
    _record(connection, changed, event, row["state"], by, because, detail or {})
    return changed


def note(connection: sa.Connection, row: Mapping[str, Any], words: str, **columns: Any) -> Row:
    """Write down what a request waits for; nothing happens to it."""
    if row["note"] == words and not columns:
        return dict(row)
    values = {"note": words, **columns, "version": row["version"] + 1}
    mine = (request.c.n == row["n"], request.c.version == row["version"])
    connection.execute(sa.update(request).where(*mine).values(**values))
    return {**row, **values}


def edit(connection: sa.Connection, row: Mapping[str, Any], content: Mapping[str, Any], by: By) -> Row:
    """Write another content down; reviews of the one before and what was reserved for it are void.

    Raises:
        Problem: it cannot be edited in its state, or another project is named.
    """
    if content["project"] != row["project"]:
        raise Problem("invalid", f"R{row['n']} is of project {row['project']}; make another request for another one")
    if row["appraisal"] != "{}" and row["state"] in OPEN:
        _refuse_flood(connection, {**row, "priority": content["priority"]}, appraisal_of(row))
    _refuse_other_samples(connection, row, content)
    quotas.release(connection, row["n"])
    digest = digest_of(dict(content))
    columns = {
        "title": content["title"],
        "priority": content["priority"],
        "content": orjson.dumps(content).decode(),
        "digest": digest,
        "valid_until_s": None,
    }
    return advance(connection, row, "edit", by, detail={"digest": digest, "was": row["digest"]}, **columns)


def submit(connection: sa.Connection, row: Mapping[str, Any], appraisal: Appraisal, by: By, because: str = "") -> Row:
    """Hand a request in that the lab has found nothing wrong with; its row, ``validated``.

    Raises:
        Problem: it cannot be submitted now, or the project has too many requests open.
    """
    _refuse_flood(connection, row, appraisal)
    row = advance(connection, row, "submit", by, because, {"digest": row["digest"]})
    return found_valid(connection, row, appraisal)


def found_valid(connection: sa.Connection, row: Mapping[str, Any], appraisal: Appraisal) -> Row:
    """The lab has found nothing wrong with what was submitted."""
    quote = appraisal.quote
    assert quote is not None  # noqa: S101 - there is one where there are no problems
    detail = {"cost": quote.cost.whole, "lab_sha256": appraisal.lab_sha256}
    kept = appraisal.model_dump_json()
    return advance(connection, row, "find_valid", By(), detail=detail, appraisal=kept)


def judge(
    connection: sa.Connection,
    row: Mapping[str, Any],
    kind: Kind,
    decision: Literal["accept", "return", "reject"],
    digest: str,
    by: By,
    because: str,
    fresh: Appraisal | None = None,
) -> Row:
    """A reviewer's decision; the row afterwards, approved if it was the last that was needed.

    Args:
        connection: in a transaction, in which the row was read.
        row: as it is now.
        kind: of review.
        decision: accept it, return it with a question, or reject it.
        digest: of the content that the reviewer has read.
        by: the reviewer.
        because: why, or what is asked.
        fresh: what the lab finds of it now; if its rules want more reviews than before, these are needed.

    Raises:
        Problem: the reviewer has seen another content, or it is not under review.
    """
    if digest != row["digest"]:
        raise Problem(
            "precondition",
            f"the decision is about another content ({digest[:12]}): it is {row['digest'][:12]} now; read it again",
        )
    detail = {"kind": kind, "decision": decision, "digest": digest}
    if decision == "return":
        row = advance(connection, row, "ask", by, because, detail)
    elif decision == "reject":
        row = advance(connection, row, "reject", by, because, detail)
    else:
        if by.id in reviewers_of(connection, row):
            raise Problem(
                "refused", f"{by.id} has accepted it already; a technical and a safety review take two people"
            )
        row = advance(connection, row, "review", by, because, detail, appraisal=_stricter(row, fresh))
    values = {"request": row["n"], "kind": kind, "reviewer": by.id, "decision": decision, "because": because}
    connection.execute(sa.insert(review).values(**values, digest=digest, at_s=time.time()))
    return approve_if_due(connection, row) if decision == "accept" else row


def quota_short_of(connection: sa.Connection, row: Mapping[str, Any]) -> str:
    """What the quota of a request's project lacks for it, in words; empty if there is room."""
    quote = quote_of(row)
    assert quote is not None  # noqa: S101 - or it would not be under review
    return quotas.short_of(connection, row["project"], quote.charge(quote.experiments))


def approve_if_due(connection: sa.Connection, row: Mapping[str, Any]) -> Row:
    """Approve a request that enough people have accepted, if the quota allows it; the row afterwards."""
    if any(wanting(connection, row).values()):
        return dict(row)
    appraisal = appraisal_of(row)
    quote = appraisal.quote
    assert quote is not None  # noqa: S101 - or it would not be under review
    if words := quotas.reserve(connection, row["n"], row["project"], quote.charge(quote.experiments)):
        return note(connection, row, words)
    content = orjson.loads(row["content"])
    until_s = time.time() + appraisal.approval_days * 86_400
    detail = {"digest": row["digest"], "until_s": until_s}
    row = advance(connection, row, "approve", By(), detail=detail, valid_until_s=until_s)
    here = _arrivals(connection, row["n"])
    if missing := [one["label"] for one in content["samples"] if one["label"] not in here]:
        words = f"waits for {len(missing)} samples"
        return advance(connection, row, "await_samples", By(), note=words)
    return row


def wanting(connection: sa.Connection, row: Mapping[str, Any]) -> dict[Kind, int]:
    """How many more people have to accept a request that was submitted, by kind of review.

    Args:
        connection: to read.
        row: of the request, whole.
    """
    appraisal, accepted = appraisal_of(row), _accepted(connection, row)
    return {
        "technical": max(appraisal.technical - len(accepted["technical"]), 0),
        "safety": max(appraisal.safety - len(accepted["safety"]), 0),
    }


def reviewers_of(connection: sa.Connection, row: Mapping[str, Any]) -> set[str]:
    """Who has accepted the content that is there now; they decide no second time."""
    accepted = _accepted(connection, row)
    return accepted["technical"] | accepted["safety"]


def lets_samples_go(row: Mapping[str, Any]) -> bool:
    """Whether samples of a request may leave the lab: while it can still be carried out, they stay."""
    over = ("completed", "completed_with_deviations", "failed", "aborted")
    return row["state"] not in OPEN or row["state"] in over


def _stricter(row: Mapping[str, Any], fresh: Appraisal | None) -> str:
    """What the lab found, with the reviews that it wants by its rules of today, where these are more."""
    kept = appraisal_of(row)
    if fresh is None:
        return str(row["appraisal"])
    more = {"technical": max(kept.technical, fresh.technical), "safety": max(kept.safety, fresh.safety)}
    return kept.model_copy(update=more).model_dump_json()


def _refuse_other_samples(connection: sa.Connection, row: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Refuse an edit by which a sample that has come would be another one, or none.

    Raises:
        Problem: it would.
    """
    before = {one["label"]: one for one in orjson.loads(row["content"])["samples"]}
    after = {one["label"]: one for one in content["samples"]}
    for label, one in _arrivals(connection, row["n"]).items():
        if not one["gone"] and after.get(label) != before.get(label):
            raise Problem(
                "refused",
                f"sample {label} is in the lab already (barcode {one['barcode']}): it can be neither left out nor "
                f"declared otherwise. Cancel R{row['n']}, and ask for another",
            )


def receive(
    connection: sa.Connection, row: Mapping[str, Any], label: str, barcode: str, place: str, condition: str, by: By
) -> Row:
    """A sample has come; the row afterwards, queued if it was the last.

    Raises:
        Problem: there is no such sample, it has come already, the barcode is on another one, or the approval has
            expired.
    """
    labels = [one["label"] for one in orjson.loads(row["content"])["samples"]]
    if label not in labels:
        raise Problem(
            "not_found", f"R{row['n']} names no sample {label[:64]!r}; it names {', '.join(labels) or 'none'}"
        )
    here = _arrivals(connection, row["n"])
    if label in here:
        raise Problem("refused", f"sample {label} has come already, with the barcode {here[label]['barcode']}")
    same = connection.execute(sa.select(arrival).where(arrival.c.barcode == barcode)).mappings().first()
    if same is not None:
        raise Problem(
            "refused", f"barcode {barcode} is on sample {same['label']} of R{same['request']}; put a new one on"
        )
    until_s = row["valid_until_s"]
    if row["state"] == "awaiting_samples" and until_s < time.time():  # the clerk has not seen it yet
        raise Problem("refused", f"the approval of R{row['n']} ended at {when(until_s)} UTC: submit a new request")
    values = {"request": row["n"], "label": label, "barcode": barcode, "place": place, "condition": condition}
    connection.execute(sa.insert(arrival).values(**values, by=by.id, at_s=time.time(), gone=""))
    missing = [one for one in labels if one not in here and one != label]
    words = f"waits for the samples {', '.join(missing)}" if missing else ""
    row = advance(connection, row, "receive", by, detail={"label": label, "barcode": barcode}, note=words)
    return row if missing else advance(connection, row, "queue", By())


def depart(connection: sa.Connection, row: Mapping[str, Any], label: str, gone: str, by: By, because: str) -> Row:
    """A sample has left again.

    Raises:
        Problem: it is not here, or the request is not over.
    """
    if label not in (here := _arrivals(connection, row["n"])):
        raise Problem("not_found", f"no sample {label[:64]!r} of R{row['n']} has come")
    if here[label]["gone"]:
        raise Problem("refused", f"sample {label} was {here[label]['gone']} already")
    if not lets_samples_go(row):
        raise Problem("state", f"R{row['n']} is {row['state']}: its samples stay until it is over, or is aborted")
    mine = (arrival.c.request == row["n"], arrival.c.label == label)
    values = {"gone": gone, "gone_s": time.time(), "gone_by": by.id}
    connection.execute(sa.update(arrival).where(*mine).values(**values))
    _record(connection, row, "depart", row["state"], by, because, {"label": label, "gone": gone})
    return dict(row)


def end(connection: sa.Connection, row: Mapping[str, Any], event: Event, by: By, because: str) -> Row:
    """A request ends before anything was done for it; what was reserved is free again.

    Raises:
        Problem: it cannot end so.
    """
    if event == "cancel" and row["state"] == "queued" and row["attempt"]:
        raise Problem("state", f"R{row['n']} was handed to the controller; abort it, which stops what it does")
    row = advance(connection, row, event, by, because)
    quotas.release(connection, row["n"])
    return row


def settle(connection: sa.Connection, row: Mapping[str, Any], event: Event, experiments: int, words: str) -> Row:
    """A request's campaign is over: charge for what was carried out, and never beyond the quote; the row afterwards.

    Args:
        connection: in a transaction.
        row: as it is now.
        event: how it ended.
        experiments: carried out, as `Quote.charge` counts them.
        words: why it ended so.
    """
    quote = quote_of(row)
    charged = quote.charge(min(experiments, quote.experiments)) if quote is not None else {}
    quotas.settle(connection, row["n"], charged)
    outcome = {"experiments": experiments, "charged": charged, "reason": words}
    return advance(connection, row, event, By(), words, outcome, outcome=orjson.dumps(outcome).decode())


def appraisal_of(row: Mapping[str, Any]) -> Appraisal:
    """What the lab found of it when it was submitted."""
    return Appraisal.model_validate_json(row["appraisal"])


def quote_of(row: Mapping[str, Any]) -> Quote | None:
    """What it takes; None while it was not submitted."""
    return appraisal_of(row).quote if row["appraisal"] != "{}" else None


def shown(connection: sa.Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """A request as its readers see it."""
    number = row["n"]
    reviews = connection.execute(sa.select(review).where(review.c.request == number).order_by(review.c.id)).mappings()
    charges = connection.execute(sa.select(charge).where(charge.c.request == number)).mappings()
    appraisal = appraisal_of(row) if row["appraisal"] != "{}" else None
    return {
        **listed(row),
        "digest": row["digest"],
        "content": orjson.loads(row["content"]),
        "quote": None if appraisal is None or appraisal.quote is None else appraisal.quote.model_dump(mode="json"),
        "needs": None if appraisal is None else {"technical": appraisal.technical, "safety": appraisal.safety},
        "reviews": [
            {
                **{key: one[key] for key in ("kind", "reviewer", "decision", "because", "at_s")},
                "void": one["digest"] != row["digest"],
            }
            for one in reviews
        ],
        "samples": [
            {key: value for key, value in one.items() if key != "request"}
            for one in _arrivals(connection, number).values()
        ],
        "charges": {one["kind"]: {"reserved": one["reserved"], "charged": one["charged"]} for one in charges},
        "abort": orjson.loads(row["abort"]) if row["abort"] else None,
        "outcome": orjson.loads(row["outcome"]) or None,
        "possible": sorted(event for state, event in TABLE if state == row["state"] and TABLE[state, event].rights),
    }


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A request as a list has it."""
    return {
        "id": f"R{row['n']}",
        "project": row["project"],
        "owner": row["owner"],
        "title": row["title"],
        "state": row["state"],
        "priority": row["priority"],
        "waits_for": row["note"],
        "campaign": row["campaign"],
        "created_s": row["created_s"],
        "changed_s": row["changed_s"],
        "valid_until_s": row["valid_until_s"],
    }


def _accepted(connection: sa.Connection, row: Mapping[str, Any]) -> dict[str, set[str]]:
    """Who has accepted the content that is there now since it was last returned, by kind of review."""
    returned = connection.execute(
        sa.select(sa.func.max(review.c.id)).where(review.c.request == row["n"], review.c.decision != "accept")
    ).scalar()
    query = sa.select(review).where(
        review.c.request == row["n"], review.c.digest == row["digest"], review.c.id > (returned or 0)
    )
    found: dict[str, set[str]] = {"technical": set(), "safety": set()}
    for one in connection.execute(query).mappings():
        found[one["kind"]].add(one["reviewer"])
    return found


def _arrivals(connection: sa.Connection, number: int) -> dict[str, dict[str, Any]]:
    query = sa.select(arrival).where(arrival.c.request == number).order_by(arrival.c.at_s)
    rows = connection.execute(query).mappings()
    return {one["label"]: {str(key): value for key, value in one.items()} for one in rows}


def _refuse_flood(connection: sa.Connection, row: Mapping[str, Any], appraisal: Appraisal) -> None:
    """Refuse a request where the project has too many open, or too many above routine.

    Raises:
        Problem: it has.
    """
    mine = (request.c.project == row["project"], request.c.state.in_(OPEN), request.c.n != row["n"])
    open_, hastened = connection.execute(
        sa.select(sa.func.count(), sa.func.count().filter(request.c.priority != "routine")).where(*mine)
    ).one()
    if open_ >= appraisal.open_requests:
        raise Problem(
            "quota", f"project {row['project']} has {open_} requests open, and may have {appraisal.open_requests}"
        )
    if row["priority"] != "routine" and hastened >= appraisal.hastened:
        raise Problem(
            "quota",
            f"project {row['project']} has {hastened} requests above routine open, and may have "
            f"{appraisal.hastened}; make this one routine, or wait",
        )


def _record(
    connection: sa.Connection,
    row: Mapping[str, Any],
    event: str,
    before: str,
    by: By,
    because: str,
    detail: Mapping[str, Any],
) -> None:
    """The row of its history, and of the audit trail."""
    values = {"request": row["n"], "at_s": time.time(), "event": event, "before": before, "after": row["state"]}
    detailed = orjson.dumps({**detail, **({"trace": by.trace} if by.trace else {})}).decode()
    connection.execute(sa.insert(request_event).values(**values, actor=by.id, because=because, detail=detailed))
    entry = Entry(
        by.id,
        f"request.{event}",
        f"request/R{row['n']}",
        via=by.via,
        before={"state": before} if before else None,
        after={"state": row["state"], "version": row["version"], "digest": row["digest"], **detail},
        because=because,
        trace=by.trace,
    )
    append(connection, [entry])


def visible(projects: Collection[str] | None, granted: Collection[int]) -> sa.ColumnElement[bool]:
    """The requests that one may see.

    Args:
        projects: of these; of all if None.
        granted: numbers of further ones.
    """
    if projects is None:
        return sa.true()
    return sa.or_(request.c.project.in_(list(projects)), request.c.n.in_(list(granted)))
