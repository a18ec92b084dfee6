"""Who may start: what command line, notebook and demo ask before they open or change anything.

Every function here but `close` only reads. All refusals come first; what has to be ended is ended afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.engine.campaign import load_campaign
from labwright.engine.deck import DeckQuestion, deck_question, moves_containers, newer_on_deck, takes_containers
from labwright.engine.events import Started
from labwright.engine.latch import refuse_while_latched
from labwright.engine.recovery import alone, campaigns_on, close_unfinished, started, unfinished, unfinished_on
from labwright.journal import Journal, instruments_words, place_option
from labwright.journal.asking import ask_controller, refuse_other_deck
from labwright.lab import LabFolder
from labwright.model.errors import RefusedError
from labwright.model.instruments import HERE
from labwright.model.protocol import ProtocolSpec

GONE = "its simulated instruments ended with their process"
"""Why a campaign on instruments in its controller's own process cannot be resumed by another."""


@dataclass(frozen=True)
class Decision:
    """What a start means for campaigns that were interrupted.

    Attributes:
        resume: id of the campaign to resume; empty to start a new one.
        close: ids of campaigns that end before that, and why.
    """

    resume: str = ""
    close: tuple[tuple[str, str], ...] = ()


def decide(journal: Journal, name: str, instruments: str, *, new: bool = False) -> Decision:
    """Whether a campaign is resumed or started; nothing is changed yet.

    Args:
        journal: claimed by this process, so that none of its campaigns runs.
        name: of the campaign.
        instruments: on which it is to run (`Lab.instruments`).
        new: start another one although one of this name was interrupted on these instruments.

    Raises:
        RefusedError: the instruments were stopped and not reset; the interrupted campaign is on other instruments, or
            another has used these instruments since.
    """
    refuse_while_latched(journal, instruments)
    close = []
    mine = unfinished(journal, name, instruments)
    if instruments == HERE and mine is not None and not _between_experiments(journal, mine):
        mine = None
    if (gone := unfinished(journal, name, HERE)) and gone != mine:
        close.append((gone, GONE))
    if mine is not None and new:
        return Decision(close=(*close, (mine, "another is started in its place")))
    if mine is not None:
        if (newer := newer_on_deck(journal, mine)) and not _between_experiments(journal, mine):
            raise RefusedError(
                f"{mine} was interrupted, and cannot be resumed: {newer} has moved containers on "
                f"{instruments_words(instruments)} since, so its "
                "samples are not where it left them. Start another with --new"
            )
        if newer:
            _refuse_to_resume_on_doubtful_deck(journal, instruments, mine)
        return Decision(resume=mine, close=tuple(close))
    if instruments == HERE:
        return Decision(close=tuple(close))
    if not new and (other := _elsewhere(journal, name)):
        campaign, where = other
        raise RefusedError(
            f"{campaign} was interrupted in the middle, and its samples are at {instruments_words(where)}, not at "
            f"{instruments_words(instruments)}. Resume it there, or start another here with --new; it can still be "
            "resumed then"
        )
    return Decision(close=tuple(close))


@dataclass(frozen=True)
class TakeUp:
    """What a controller that serves a lab does with campaigns that were interrupted.

    Attributes:
        resume: their first events, by id.
        close: ids of campaigns that end before that, and why.
    """

    resume: dict[str, Started]
    close: tuple[tuple[str, str], ...] = ()


def take_up(journal: Journal, instruments: str) -> TakeUp:
    """Which campaigns a controller of a whole lab resumes: all on its instruments; nothing is changed yet.

    Args:
        journal: claimed by this process, so that none of its campaigns runs.
        instruments: of the lab (`Lab.instruments`).

    Raises:
        RefusedError: the instruments were stopped and not reset, or another campaign has moved containers since one
            was interrupted.
    """
    refuse_while_latched(journal, instruments)
    here = unfinished_on(journal, HERE)
    mine = unfinished_on(journal, instruments)
    if instruments == HERE:
        mine = [campaign for campaign in mine if _between_experiments(journal, campaign)]
    close = tuple((campaign, GONE) for campaign in here if campaign not in mine)
    for campaign in mine:
        newer = newer_on_deck(journal, campaign)
        if newer and newer not in mine:
            if _between_experiments(journal, campaign):
                _refuse_to_resume_on_doubtful_deck(journal, instruments, *mine)
                continue
            raise RefusedError(
                f"{campaign} was interrupted, and cannot be resumed: {newer} has moved containers on "
                f"{instruments_words(instruments)} since, so its samples are not where it left them. Look at the deck "
                f"and give it up: labwright question list {place_option(journal)}"
            )
    return TakeUp({campaign: started(journal, campaign) for campaign in mine}, close)


def _between_experiments(journal: Journal, campaign: str) -> bool:
    """Whether a campaign has no sample under way, so that it matters to it no more than to a new one what others did.

    That is so of one that had run out and was extended while no controller ran.
    """
    return alone(journal, campaign).campaign(campaign).resting


def _refuse_to_resume_on_doubtful_deck(journal: Journal, instruments: str, *campaigns: str) -> None:
    for campaign in campaigns:
        first = started(journal, campaign)
        refuse_doubtful_deck(journal, instruments, first.protocols, takes_containers(first), campaigns)


def refuse_changes(campaign: str, asked: Iterable[str]) -> None:
    """A campaign is resumed as it was started.

    Raises:
        RefusedError: something else was asked for.
    """
    if given := ", ".join(asked):
        raise RefusedError(
            f"{campaign} was interrupted and is resumed as it was started; {given} would change it. Leave that out, or "
            "start another with --new"
        )


def refuse_doubtful_deck(
    journal: Journal,
    instruments: str,
    protocols: Sequence[ProtocolSpec],
    takes: bool = False,
    running: Collection[str] = (),
) -> None:
    """Let no campaign move containers while it is in doubt where others stand: the arm could drive into one.

    Args:
        journal: of the lab; only read.
        instruments: on which the campaign is to run.
        protocols: of the campaign, its preparations included.
        takes: whether it takes containers from their positions.
        running: campaigns that the controller works on now; it knows where their containers stand.

    Raises:
        RefusedError: with what to look at, and the command that answers.
    """
    if not moves_containers(protocols, takes):
        return
    question = deck_question(journal, instruments, running)
    if question is not None:
        raise RefusedError(deck_refusal(journal, question))


def deck_refusal(journal: Journal, question: DeckQuestion) -> str:
    """Why nothing starts, and what to do, in words for a person."""
    answer = f"labwright question answer {question.id} clear {place_option(journal)} --by NAME --reason TEXT"
    return f"{question.text} Then answer the question about the deck: {answer}"


def hand_over(
    journal: Journal,
    folder: LabFolder,
    file: Path,
    instruments: str,
    *,
    by: str,
    budget: int | None = None,
    seed: int | None = None,
    planner: str | None = None,
    parallel: int | None = None,
) -> str:
    """Hand a campaign to the controller that runs; the campaign's id.

    Args:
        journal: of the lab.
        folder: the lab's files, which the campaign is checked against first.
        file: of the campaign.
        instruments: on which it is to run (`Lab.instruments`).
        by: who hands it over.
        budget: experiments, if other than in the file.
        seed: if other than in the file.
        planner: by name, if other than in the file.
        parallel: samples on their way at once, if other than in the file.

    Raises:
        ConfigError: the file has mistakes, or the lab cannot carry it out.
        RefusedError: no controller runs on these instruments, or it refuses.
        JournalError: the controller does not answer; nothing was started.
    """
    if journal.controlled():
        refuse_other_deck(journal, instruments)
    campaign = load_campaign(
        folder, file, budget=budget, seed=seed, planner=planner, parallel=parallel, simulated=instruments != "real"
    )
    payload = {"spec": campaign.spec.model_dump(mode="json"), "lab_sha256": folder.sha256}
    return ask_controller(journal, "submit", payload, by=by, because="")


def close(journal: Journal, decision: Decision | TakeUp, by: str) -> None:
    """End the campaigns that the decision ends; after all refusals, and once the instruments answer.

    Raises:
        JournalError: the journal refuses.
    """
    for campaign, why in decision.close:
        close_unfinished(journal, campaign, why, by)


def _elsewhere(journal: Journal, name: str) -> tuple[str, str] | None:
    """An interrupted campaign of this name on other instruments that still exist."""
    where = dict(campaigns_on(journal))
    open_ = [one for one in (unfinished(journal, name, there) for there in set(where.values()) - {HERE}) if one]
    return (open_[0], where[open_[0]]) if open_ else None
