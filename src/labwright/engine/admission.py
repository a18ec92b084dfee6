"""What is handed to a running controller: checked in a thread of its own, for that may take seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from labwright.clock import LabClock
from labwright.engine.campaign import Campaign, campaign_of, deadline_passed
from labwright.engine.commands import ExtendAsked, Submitted
from labwright.engine.deck import DeckQuestion, deck_question
from labwright.engine.earlier import learnt_from
from labwright.engine.events import DeckChecked
from labwright.engine.extending import Extension, extendable
from labwright.engine.filling import left_on
from labwright.engine.lifecycle import refuse_doubtful_deck
from labwright.journal import Journal, instruments_words
from labwright.lab import Lab
from labwright.model.errors import ConfigError, LabwrightError, RefusedError

Found = TypeVar("Found")


def beside(
    clock: LabClock, check: Callable[[], Found], found: Callable[[Found], None], refused: Callable[[str], None]
) -> None:
    """Check something in a thread of its own, then call one of the two; a stepped clock stands still meanwhile.

    Args:
        clock: of the lab.
        check: only reads.
        found: called with what it has found.
        refused: called with the reason, if it refuses.
    """
    actor = clock.actor("admission", busy=True)

    def work() -> None:
        try:
            found(check())
        except LabwrightError as error:
            refused(str(error))
        finally:
            actor.close()

    threading.Thread(target=work, name="admission", daemon=True).start()


def extension(lab: Lab, journal: Journal, asked: ExtendAsked, running: Collection[str]) -> Extension:
    """A campaign that has run out, if it may make more experiments.

    Raises:
        LabwrightError: it may not.
    """
    return extendable(
        journal,
        lab.folder,
        asked.campaign,
        asked.event.budget,
        instruments=lab.instruments,
        count=left_on(journal, lab),
        running=running,
        lab_changed=asked.lab_changed,
    )


def asked_of_deck(lab: Lab, journal: Journal, event: DeckChecked, running: Collection[str]) -> DeckQuestion:
    """The question about a controller's deck that a person answers.

    Raises:
        ConfigError: there is no such answer.
        RefusedError: it is not open on this deck, or its campaign could still be resumed.
    """
    question = deck_question(journal, lab.instruments, running)
    if question is None or question.id != event.question:
        raise RefusedError(
            f"{event.question} is not open on {instruments_words(lab.instruments)}; nothing was recorded"
        )
    if question.interrupted:
        raise RefusedError(
            f"{question.campaign} was interrupted and could still be resumed; end the controller first, then answer "
            "the question, which gives the campaign up"
        )
    question.check(event.answer)
    return question


def admitted(
    lab: Lab, journal: Journal, submitted: Submitted, running: Collection[str], preparing: Collection[str]
) -> Campaign:
    """A campaign that was handed over, if the lab can carry it out.

    Args:
        lab: of the controller.
        journal: only read.
        submitted: what was handed over.
        running: campaigns that the controller works on now.
        preparing: names of the preparations that they make now, and share.

    Raises:
        LabwrightError: it cannot.
    """
    if submitted.lab_sha256 != lab.folder.sha256:
        raise RefusedError(
            f"the files of lab {lab.folder.model.name} have changed since the controller read them (sha256 "
            f"{lab.folder.sha256[:12]}, now {submitted.lab_sha256[:12]}); start the controller again, so that it reads "
            "them, then hand the campaign over again"
        )
    count = left_on(journal, lab)
    if count is not None:
        count = replace(count, preparing=preparing)
    campaign = campaign_of(lab.folder, submitted.spec, count)
    if words := deadline_passed(campaign.spec, lab.clock.now()):
        raise ConfigError(f"campaign {campaign.spec.name}: deadline {words}")
    refuse_doubtful_deck(journal, lab.instruments, campaign.protocol_specs, bool(campaign.container), running)
    return campaign.learning(learnt_from(journal, campaign.spec, None, simulated=lab.simulated))
