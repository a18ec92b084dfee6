"""What is done with the lab's own files, in the process that `labwright.service.lab_process` keeps.

It reads the lab's folder and the journal, and writes nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.engine import campaign_files, load_campaign
from labwright.engine.campaign_plan import continued_bars
from labwright.engine.deck_state import deck_state
from labwright.journal import Journal
from labwright.lab import GivenData, LabFolder, read_lab
from labwright.lab.by_hand import facts_by_files
from labwright.lab.classes import place_of
from labwright.lab.folder import CONFIG, DESK_FILE, folder_hash
from labwright.model.by_hand import DeviceFacts
from labwright.model.errors import ConfigError, LabwrightError, unknown
from labwright.service.desk.appraisal import Desk, instruments_of
from labwright.service.desk.content import Content
from labwright.service.desk.quoting import interrupted
from labwright.service.lab_process import Question, Reply
from labwright.stations.catalogue import protocol_classes

NICE = 5
"""How far the process stands back behind the controller, once it has started."""

log = logging.getLogger(__name__)


def main() -> None:
    """Answer each line of the standard input; end when the lab's files have changed, for what is imported stays.

    It ends also once a rehearsal was broken off: what was imported in it may be half there.

    Whatever the lab's own code prints goes to standard error: the answers have standard output to themselves.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    first = ""
    for line in sys.stdin:
        question = Question.model_validate_json(line)
        now = folder_hash(Path(question.root).resolve())
        if first and now != first:
            return
        answers.write(_answered(question).model_dump_json() + "\n")
        answers.flush()
        if interrupted:
            return
        if not first:  # a person waits for all these imports
            os.nice(NICE)
        first = now


def _answered(question: Question) -> Reply:
    try:
        return Reply(found=_found(question))
    except LabwrightError as error:
        return Reply(error=str(error), exit_code=error.exit_code)
    except ValidationError as error:  # of a request that an earlier release has written
        words = f"the request cannot be read any more: {error.error_count()} mistakes; ask for it once more"
        return Reply(error=words, exit_code=ConfigError.exit_code)
    except (Exception, SystemExit) as error:  # a lab's code is its author's, and raises what it likes
        log.exception("%s was not done", question.work)
        words = f"the lab's own code fails: {place_of(error)}{type(error).__name__}: {error}"
        return Reply(error=words, exit_code=ConfigError.exit_code)


def _found(question: Question) -> dict[str, Any]:
    root = Path(question.root).resolve()
    version = folder_hash(root)
    if question.work == "model":
        return _folder(root, version).model.model_dump(mode="json")
    if question.work == "by_hand":
        return {name: one.model_dump(mode="json") for name, one in _facts(root, version).items()}
    if question.work == "campaign":
        return _campaign(_folder(root, version), question.given)
    if question.work == "outlook":
        return _outlook(_folder(root, version), question)
    desk = _desk(root, version, _changed(root))
    if question.work == "offer":
        return desk.offered()
    content = Content.model_validate(question.given)
    with Journal.reading(question.journal) as journal:
        return desk.appraise(journal, content).model_dump(mode="json")


@cache
def _folder(root: Path, version: str) -> LabFolder:
    return read_lab(root)


@cache
def _facts(root: Path, version: str) -> dict[str, DeviceFacts]:
    return facts_by_files(_folder(root, version))


@cache
def _desk(root: Path, version: str, rules: int) -> Desk:
    return Desk(_folder(root, version))


def _changed(root: Path) -> int:
    """What tells one state of the desk's rules from another; they are no part of the lab's hash."""
    desk = root / CONFIG / DESK_FILE
    return desk.stat().st_mtime_ns if desk.exists() else 0


def _outlook(folder: LabFolder, question: Question) -> dict[str, Any]:
    """What the campaigns under way should do in the next ``for_s`` lab seconds: ``now_s`` and ``bars``."""
    with Journal.reading(question.journal) as journal:
        deck = deck_state(journal, folder.model, instruments_of(journal), sorted(protocol_classes(folder)))
        now_s, bars = continued_bars(folder, deck, float(question.given["for_s"]))
    return {
        "now_s": now_s,
        "bars": [
            {
                "station": bar.station, "campaign": bar.order.campaign, "label": bar.order.label,
                "step": bar.order.step, "began_s": bar.began_s, "ended_s": bar.ended_s,
            }
            for bar in bars
        ],
    }  # fmt: skip


def _campaign(folder: LabFolder, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign, checked against the lab: ``spec`` and ``lab_sha256``, as the controller takes them."""
    changes: dict[str, Any] = {name: asked.get(name) for name in ("budget", "seed", "planner", "parallel")}
    simulated = asked["instruments"] != "real"
    spec = asked.get("spec")
    source: Path | GivenData
    if spec is not None:
        source = GivenData(spec)
    else:
        known = campaign_files(folder.root)
        if asked["name"] not in known:
            raise ConfigError(unknown("campaign", asked["name"], sorted(known)))
        source = known[asked["name"]]
    campaign = load_campaign(folder, source, **changes, simulated=simulated)
    return {"spec": campaign.spec.model_dump(mode="json"), "lab_sha256": folder.sha256}
