"""Campaigns that are handed to a running controller: checked in a thread of their own, for that may take seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from labwright.clock import LabClock
from labwright.engine.campaign import Campaign, campaign_of
from labwright.engine.commands import ExtendAsked, Submitted
from labwright.engine.earlier import learnt_from
from labwright.engine.extending import Extension, extendable
from labwright.engine.filling import left_on
from labwright.engine.lifecycle import refuse_doubtful_deck
from labwright.journal import Journal
from labwright.lab import Lab
from labwright.model.errors import LabwrightError, RefusedError

Checked = TypeVar("Checked")


def admit(
    lab: Lab,
    journal: Journal,
    submitted: Submitted,
    running: Collection[str],
    preparing: Collection[str],
    admitted: Callable[[Campaign], None],
    refused: Callable[[str], None],
) -> None:
    """Check a campaign, then call one of the two; lab time stands still on a stepped clock meanwhile.

    Args:
        lab: of the controller.
        journal: only read.
        submitted: what was handed over.
        running: campaigns that the controller works on now.
        preparing: names of the preparations that they make now, and share.
        admitted: called with the campaign, if the lab can carry it out.
        refused: called with the reason, if not.
    """
    _checked(lab, lambda: _admitted(lab, journal, submitted, running, preparing), admitted, refused)


def admit_extension(
    lab: Lab,
    journal: Journal,
    asked: ExtendAsked,
    running: Collection[str],
    admitted: Callable[[Extension], None],
    refused: Callable[[str], None],
) -> None:
    """The same for a campaign that has run out and is to make more experiments."""

    def check() -> Extension:
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

    _checked(lab, check, admitted, refused)


def _checked(
    lab: Lab, check: Callable[[], Checked], admitted: Callable[[Checked], None], refused: Callable[[str], None]
) -> None:
    clock: LabClock = lab.clock
    actor = clock.actor("admission", busy=True)

    def work() -> None:
        try:
            admitted(check())
        except LabwrightError as error:
            refused(str(error))
        finally:
            actor.close()

    threading.Thread(target=work, name="admission", daemon=True).start()


def _admitted(
    lab: Lab, journal: Journal, submitted: Submitted, running: Collection[str], preparing: Collection[str]
) -> Campaign:
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
    refuse_doubtful_deck(journal, lab.instruments, campaign.protocol_specs, bool(campaign.container), running)
    return campaign.learning(learnt_from(journal, campaign.spec, None, simulated=lab.simulated))
