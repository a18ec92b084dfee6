"""Pictures that take a planner's model, drawn in a process of its own, which ends with them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import Any

import orjson

from labwright.model.errors import LabwrightError
from labwright.service.problems import Problem

DEADLINE_S = 90.0
"""Wall seconds after which the process is killed: the default planner takes a few for hundreds of experiments."""

NICE = 10
"""How far it stands back behind the controller."""

KEPT_MOST = 32
"""Campaigns whose newest pictures are remembered."""

Cards = list[dict[str, Any]]
"""``title``, ``subtitle``, ``picture`` (SVG), ``columns``, ``rows``, ``wide`` of each."""

_kept: OrderedDict[str, tuple[int, Cards]] = OrderedDict()
_one = threading.Lock()


def cards_of_campaign(journal: str, campaign: str, experiments: int) -> Cards:
    """The pictures of a campaign, as its report has them.

    Args:
        journal: its place.
        campaign: its id.
        experiments: how many have ended; with as many as the last time they are as then.

    Raises:
        Problem: it takes too long, others are being drawn, or the planner cannot.
    """
    if not _one.acquire(timeout=DEADLINE_S):
        raise Problem("unavailable", "other pictures are being drawn; ask again", headers={"Retry-After": "5"})
    try:
        if campaign in _kept and _kept[campaign][0] == experiments:
            _kept.move_to_end(campaign)
            return _kept[campaign][1]
        cards = _drawn(journal, campaign)
        _kept[campaign] = experiments, cards
        while len(_kept) > KEPT_MOST:
            _kept.popitem(last=False)
        return cards
    finally:
        _one.release()


def _drawn(journal: str, campaign: str) -> Cards:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", "from labwright.service.console.drawing import main; main()"],
            input=orjson.dumps([journal, campaign]),
            stdout=subprocess.PIPE,
            timeout=DEADLINE_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        words = (
            f"the planner's model was not drawn within {DEADLINE_S:g} s; the report has it when the campaign has ended"
        )
        raise Problem("unavailable", words) from None
    if done.returncode != 0:
        raise Problem("unavailable", "the process that draws has ended without an answer; the service's log says more")
    found: dict[str, Any] = orjson.loads(done.stdout)
    if "error" in found:
        raise Problem("refused", found["error"])
    return list(found["cards"])


def main() -> None:
    """Draw what standard input names, to standard output."""
    os.nice(NICE)
    journal, campaign = orjson.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a planner prints goes to standard error
    answers.write(orjson.dumps(_found(journal, campaign)))
    answers.close()


def _found(journal: str, campaign: str) -> dict[str, Any]:
    from pathlib import Path

    from labwright.journal import Journal
    from labwright.report import cards_of, read_record

    try:
        with Journal.reading(journal if "://" in journal else Path(journal)) as opened:
            cards = cards_of(read_record(opened, campaign))
    except LabwrightError as error:
        return {"error": str(error)}
    return {
        "cards": [
            {
                "title": card.title, "subtitle": card.subtitle, "picture": str(card.picture), "wide": card.wide,
                "columns": list(card.columns), "rows": [[str(cell) for cell in row] for row in card.rows],
            }
            for card in cards
        ]
    }  # fmt: skip
