"""Where containers stand after a campaign that did not end well: a question that a person answers before the next one.

The journal knows of each container: sample, where it was taken from, where it was seen last, and which step was under
way. It says nothing of another set of instruments: a simulated deck is not the real one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.engine.core import CampaignCore
from labwright.engine.events import DeckChecked, Extended, Started
from labwright.engine.experiment import Experiment
from labwright.engine.inventory import DeckCount, deck_count
from labwright.engine.lab import LabCore
from labwright.engine.recovery import campaigns_on, close_unfinished, replayed, started
from labwright.journal import Journal, instruments_words, schema
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.instruments import HERE
from labwright.model.protocol import ProtocolSpec

CLEAR = "clear"
"""The one answer: the deck is as the lab's files say."""


@dataclass(frozen=True)
class ContainerDoubt:
    """A container that may not stand where the lab's files say.

    Attributes:
        sample: in it, or the preparation whose containers these are.
        taken_from: the position where it stood at the start; empty if the journal does not know.
        location: where it was last known to stand.
        why: that is in doubt.
    """

    sample: str
    taken_from: str
    location: str
    why: str

    def __str__(self) -> str:
        taken = f", taken from {self.taken_from}" if self.taken_from else ""
        last = f"; last known location: {self.location}" if self.location else ""
        return f"{self.sample}{taken}{last}; {self.why}"


@dataclass(frozen=True)
class DeckQuestion:
    """What has to be looked at before another campaign moves containers on these instruments.

    Attributes:
        campaign: that left it so.
        name: of that campaign, as a command line takes it.
        instruments: on which instruments.
        ended: how the campaign ended.
        doubts: container by container.
        used_up: positions whose containers have served, and the protocol that took what was in them.
        look_at: positions.
        asked_s: wall time of the campaign's last event.
        interrupted: the campaign has not ended; the answer ends it.
    """

    campaign: str
    name: str
    instruments: str
    ended: str
    doubts: tuple[ContainerDoubt, ...]
    used_up: tuple[tuple[str, str], ...]
    look_at: tuple[str, ...]
    asked_s: float
    interrupted: bool = False

    @property
    def id(self) -> str:
        """In the journal; it has no meaning for any other campaign."""
        return f"{self.campaign}:deck"

    @property
    def text(self) -> str:
        """What is asked."""
        lines = [f"campaign {self.campaign} on {instruments_words(self.instruments)} {self.ended}."]
        acts = []
        if self.doubts:
            lines[0] += " It is in doubt where these containers stand:"
            lines += [f"  {one}" for one in self.doubts]
            acts.append(
                f"Look at {', '.join(('the gripper', *self.look_at))}. Put each container back where inventory.yaml "
                "says, or take it out of the lab."
            )
        if self.used_up:
            served = ", ".join(f"{position} (for {protocol})" for position, protocol in self.used_up)
            acts.append(
                f"What stood at these positions has served and is used up: {served}. Replace it, and set up the "
                "deck as inventory.yaml says; if the instruments are simulated, start labwright simulate again."
            )
        if self.interrupted:
            acts[0] = (
                f"To resume it, leave the containers alone and this question open: labwright campaign run {self.name}. "
                f"To give it up: {acts[0][0].lower()}{acts[0][1:]}"
            )
        lines += acts
        return "\n".join(lines)

    @property
    def choices(self) -> dict[str, str]:
        """Answers, and what each means."""
        means = (
            "I have looked: the gripper is empty, and each of these containers is where inventory.yaml says or out of "
            "the lab"
        )
        if self.used_up:
            means += "; what was used up is replaced"
        if self.interrupted:
            means += f"; {self.campaign} is given up and cannot be resumed"
        return {CLEAR: means}

    def check(self, answer: str) -> None:
        """Refuse what is no answer.

        Raises:
            ConfigError: with the answers that there are.
        """
        if answer not in self.choices:
            raise ConfigError(unknown(f"answer to {self.id}", answer, list(self.choices)))

    def row(self, answered: DeckChecked | None = None) -> dict[str, Any]:
        """As the table of questions has it."""
        return {
            "id": self.id,
            "campaign": self.campaign,
            "label": "",
            "step_id": "",
            "intent": "",
            "text": self.text,
            "choices": orjson.dumps(self.choices).decode(),
            "state": "answered" if answered else "open",
            "answer": answered.answer if answered else "",
            "by": answered.by if answered else "",
            "because": answered.because if answered else "",
        }


@dataclass
class _History:
    """A campaign replayed, with all of its experiments."""

    core: CampaignCore
    experiments: dict[str, Experiment] = field(default_factory=dict)
    last_s: float = 0.0
    last_lab_s: float = 0.0


def takes_containers(first: Started) -> bool:
    """Whether a campaign takes containers from their positions."""
    return bool(first.container or first.places)


def moves_containers(protocols: Iterable[ProtocolSpec], takes: bool = False) -> bool:
    """Whether a campaign moves containers, so that it must know where they stand.

    Args:
        protocols: of the campaign, its preparations included.
        takes: whether it takes containers from their positions.
    """
    steps = [step for protocol in protocols if protocol.by_hand is None for step in protocol.steps]
    return takes or any(step.moves_to or step.leaves or step.keeps for step in steps)


def deck_question(journal: Journal, instruments: str, running: Collection[str] = ()) -> DeckQuestion | None:
    """The open question about the deck of these instruments; None if the newest campaigns there left nothing in doubt.

    Args:
        journal: that knows them.
        instruments: which.
        running: campaigns that a controller works on now; it knows where their containers stand.

    Raises:
        JournalError: an event of one of those campaigns cannot be understood.
    """
    if instruments == HERE:
        return None
    began: int | None = None
    for campaign, where in reversed(campaigns_on(journal)):
        if where != instruments:
            continue
        first_id, last_id = journal.span(campaign)
        if began is not None and last_id < began:
            return None  # it had ended, and its deck was looked at, before the ones after it began
        first = started(journal, campaign)
        if moves_containers(first.protocols, takes_containers(first)):
            began = first_id
            if campaign not in running and (question := _question(journal, first, instruments)) is not None:
                return question
    return None


def deck_questions(journal: Journal, running: Collection[str] = ()) -> list[DeckQuestion]:
    """The open questions about all decks that the journal knows.

    Args:
        journal: that knows them.
        running: campaigns that a controller works on now; they leave no deck in doubt yet.
    """
    known = dict.fromkeys(where for _, where in campaigns_on(journal))
    found = [deck_question(journal, one, running) for one in known]
    return [one for one in found if one is not None]


def newer_on_deck(journal: Journal, campaign: str) -> str:
    """The newest campaign that has moved containers on the same instruments without this one's controller knowing.

    That is one that began later, and that a later controller carried out; empty if there is none.
    """
    every = campaigns_on(journal)
    mine = dict(every).get(campaign)
    left = _epoch(journal, campaign)
    for other, where in reversed(every):
        if other == campaign:
            return ""
        if where == mine and not 0 < _epoch(journal, other) <= left:
            first = started(journal, other)
            if moves_containers(first.protocols, takes_containers(first)):
                return other
    return ""


def _epoch(journal: Journal, campaign: str) -> int:
    """Of the newest controller that carried a campaign out; 0 if that is not known."""
    event = schema.event
    newest = sa.select(event.c.epoch).where(event.c.campaign == campaign, event.c.epoch > 0, schema.at_work)
    rows = journal.read(newest.order_by(event.c.id.desc()).limit(1))
    return int(rows[0]["epoch"]) if rows else 0


def answer_deck(journal: Journal, question: DeckQuestion, answer: str, *, by: str, because: str) -> None:
    """Record that a person has looked at the deck; an interrupted campaign is given up with it.

    Raises:
        ConfigError: there is no such answer.
        RefusedError: another person has answered meanwhile, or the campaign has been resumed.
        JournalError: the journal refuses.
    """
    question.check(answer)
    if question.interrupted:
        journal.claim()  # no controller may resume it meanwhile
        still = deck_question(journal, question.instruments)
        if still is None or still.id != question.id:
            raise RefusedError(f"{question.id} is no longer open; nothing was recorded")
        if still.interrupted:
            close_unfinished(journal, question.campaign, f"given up by {by}, who has looked at the deck: {because}", by)
    event = DeckChecked(question=question.id, answer=answer, by=by, because=because)
    last = deck_history(journal, question.campaign)
    row = {
        "campaign": question.campaign,
        "kind": event.kind,
        "epoch": 0,  # of no controller
        "lab_time_s": last.last_lab_s,
        "wall_time_s": time.time(),
        "payload": event.model_dump_json(),
        "decisions": "[]",
        "instruments": question.instruments,
    }
    table, taken = schema.question, schema.reservation
    left = sa.delete(taken).where(taken.c.instruments == question.instruments, taken.c.campaign == question.campaign)
    known = sa.select(table.c.state).where(table.c.id == question.id)
    looked_at = _looked_at(question, last.last_lab_s)

    def work(connection: sa.Connection) -> bool:
        if connection.execute(known).scalar() == "answered":
            return False
        journal.statements.put(connection, "event", [row])
        journal.statements.put(connection, "question", [question.row(event)])
        connection.execute(left)
        for update in looked_at:
            connection.execute(update)
        return True

    if not journal.write_alone(work):
        raise RefusedError(f"{question.id} has been answered by another person meanwhile; nothing was recorded")


def _looked_at(question: DeckQuestion, at_s: float) -> list[sa.Update]:
    """What a campaign has left is out of the lab, and what it has used up is replaced, in the table of positions."""
    held, experiment = schema.position, schema.experiment
    its = sa.and_(held.c.instruments == question.instruments, held.c.campaign == question.campaign, held.c.holds != "")
    over = sa.select(experiment.c.label).where(
        experiment.c.campaign == question.campaign, experiment.c.state == "complete"
    )
    return [
        sa.update(held).where(its, held.c.used_up).values(campaign="", label="", since_s=at_s, used_up=False),
        sa.update(held).where(its, held.c.label.not_in(over)).values(holds="", since_s=at_s),
    ]


def deck_history(journal: Journal, campaign: str) -> _History:
    """A campaign replayed, with all of its experiments, those that are over as well."""
    lab = LabCore()
    history = _History(lab.campaign(campaign))
    for logged, event, _, core in replayed(journal, campaign, lab):
        if isinstance(event, Extended) and core.resting:
            history.experiments.clear()  # where its samples stood was not in doubt then, or it was not extended
        history.experiments.update(core.live)
        history.last_s, history.last_lab_s = logged.wall_time_s, logged.lab_time_s
    return history


def _question(journal: Journal, first: Started, instruments: str) -> DeckQuestion | None:
    count = deck_count(journal, instruments)
    if _nothing_left(journal, first.campaign):  # what was used up the deck's count knows, if there is one
        return _used_up_alone(journal, first, instruments) if count is None else None
    history = deck_history(journal, first.campaign)
    core = history.core
    if core.deck_checked is not None:
        return None
    doubts, look_at, used_up = [], [], dict[str, str]()
    for one in history.experiments.values():
        if _begun(one):
            used_up |= dict.fromkeys(one.protocol.uses_up, one.protocol.name)
        if (doubt := _doubt(one)) is not None:
            doubts.append(doubt)
            look_at += [one.place, one.stands_at, *(run.spec.moves_to for run in _left(one))]
            if one.preparation:
                look_at += [name for step in one.protocol.steps for name in (step.moves_to, *step.keeps)]
    if count is not None:
        used_up = {place: by for place, by in used_up.items() if _used_up_by(count, place, first.campaign)}
    if not doubts and (count is not None or not used_up):
        return None
    ended = f"{core.phase} ({core.reason})" if core.over else "was interrupted in the middle, and no controller runs it"
    return DeckQuestion(
        campaign=first.campaign,
        name=first.spec.name,
        instruments=instruments,
        ended=ended,
        doubts=tuple(doubts),
        used_up=tuple(used_up.items()),
        look_at=tuple(dict.fromkeys(name for name in look_at if name)),
        asked_s=history.last_s,
        interrupted=not core.over,
    )


def _used_up_alone(journal: Journal, first: Started, instruments: str) -> DeckQuestion | None:
    """The question about a deck whose containers are all where they should be; nothing is replayed for it."""
    carried_out = (*first.spec.prepare, first.spec.protocol)
    used_up = {place: one.name for one in first.protocols if one.name in carried_out for place in one.uses_up}
    event, asked = schema.event, schema.question
    if not used_up or journal.rows(asked, asked.c.id == f"{first.campaign}:deck", asked.c.state == "answered"):
        return None
    (row,) = journal.rows(schema.campaign, schema.campaign.c.id == first.campaign)
    mine = sa.select(event.c.wall_time_s).where(event.c.campaign == first.campaign, schema.at_work)
    (last,) = journal.read(mine.order_by(event.c.id.desc()).limit(1))
    return DeckQuestion(
        campaign=first.campaign,
        name=first.spec.name,
        instruments=instruments,
        ended=f"{row['state']} ({row['reason']})",
        doubts=(),
        used_up=tuple(used_up.items()),
        look_at=(),
        asked_s=float(last["wall_time_s"]),
    )


def _nothing_left(journal: Journal, campaign: str) -> bool:
    """Whether the tables say that a campaign has completed every experiment, so that it need not be replayed."""
    rows = journal.rows(schema.campaign, schema.campaign.c.id == campaign)
    table = schema.experiment
    states = {row["state"] for row in journal.rows(table, table.c.campaign == campaign)}
    return bool(rows) and rows[0]["state"] == "completed" and states <= {"complete"}


def _used_up_by(count: DeckCount, position: str, campaign: str) -> bool:
    """Whether a position holds what a campaign has used up, and no person has replaced it."""
    held = count.holds.get(position)
    return held is not None and bool(held.kind) and held.campaign == campaign


def _doubt(one: Experiment) -> ContainerDoubt | None:
    """Why it is in doubt where an experiment's container stands; None if it is not."""
    if one.state == "complete" or not _begun(one):
        return None
    if one.place and not one.stands_at:
        return None  # it has left the lab, or a person has taken it out
    if one.preparation:
        why = f"{_why(one)}; the journal does not follow its containers"
        return ContainerDoubt(f"containers of preparation {one.label}", "", one.stands_at, why)
    return ContainerDoubt(f"sample {one.sample}", one.place, one.stands_at, _why(one))


def _begun(one: Experiment) -> bool:
    return any(run.state not in ("waiting", "ready", "skipped") for run in one.steps.values())


def _left(one: Experiment) -> list[Any]:
    """Steps that did not end well, or have not ended."""
    return [run for run in one.steps.values() if run.state in ("reserved", "running", "unknown", "failed")]


def _why(one: Experiment) -> str:
    words = []
    for run in _left(one):
        how = f"failed ({run.error})" if run.state == "failed" else "was under way"
        moving = run.spec.moves_to or run.spec.leaves
        where = f", or already at {run.spec.moves_to}" if run.spec.moves_to else ""
        words.append(f"step {run.spec.name} {how}" + (f": it may be in the gripper{where}" if moving else ""))
    if not words:
        words.append(f"it was given up: {one.reason}" if one.given_up else "its next step had not started")
    return "; ".join(words)
