"""Answers of a service, typed; what a newer service says besides is kept."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Answered(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Me(Answered):
    """Who the key is of, and what it allows.

    Attributes:
        id: of the person or program.
        name: to show.
        roles: in the whole lab.
        projects: roles in projects, by the project's id.
        groups: that data may be shared with.
        only: actions that the key allows, if not all that its owner may do.
    """

    id: str
    name: str = ""
    roles: list[str] = []
    projects: dict[str, list[str]] = {}
    groups: list[str] = []
    only: list[str] | None = None


class Campaign(Answered):
    """A campaign.

    Attributes:
        campaign: its id.
        name: of its file.
        title: to show.
        state: of `labwright.model.states`.
        paused: whether no operation starts.
        reason: why it is in that state.
        simulated: whether it is carried out on simulated instruments.
        tried: experiments that have started.
        budget: experiments in all.
        best: the best mean measured; None if none counts.
        objective: what is sought.
        controller: whether a controller runs it.
        questions: ids of open ones.
        waits_for: in words.
    """

    campaign: str
    name: str
    title: str = ""
    state: str
    paused: bool = False
    reason: str = ""
    simulated: bool = False
    tried: int = 0
    budget: int = 0
    best: float | None = None
    objective: dict[str, Any] = {}
    controller: bool = False
    questions: list[Any] = []
    waits_for: list[str] = []


class Experiment(Answered):
    """An experiment, or a proposal.

    Attributes:
        id: of the trial.
        label: of the experiment; empty for a proposal.
        status: of the trial.
        source: who has suggested it.
        params: value of each parameter.
        outcomes: what was found: ``mean``, ``sem``, by name.
    """

    id: str
    label: str = ""
    status: str
    source: str = ""
    params: dict[str, Any] = {}
    outcomes: dict[str, dict[str, Any]] = {}


class Question(Answered):
    """A question that only a person can answer.

    Attributes:
        id: of it.
        campaign: that waits for it; may be empty.
        text: what is asked.
        choices: what each answer means.
        state: ``open``, or what has become of it.
        kind: ``question``, or ``task`` for the card of a step that a person does.
        task: what such a card says: what to do, for which sample and where, and what is to be read.
        readings: what was read when it was signed.
    """

    id: str
    campaign: str = ""
    text: str
    choices: dict[str, str]
    state: str = "open"
    kind: str = "question"
    task: dict[str, Any] | None = None
    readings: dict[str, Any] = {}


class Command(Answered):
    """What the controller was asked, and has done.

    Attributes:
        command: its number.
        state: ``done``.
        result: what it has answered, if anything.
    """

    command: int
    state: str
    result: str = ""


class Event(Answered):
    """Something that has happened.

    Attributes:
        id: by which a stream is resumed.
        kind: of event.
        campaign: in which; empty for the lab.
        lab_time_s: lab time.
        wall_time_s: wall time.
        data: the rest.
    """

    id: int
    kind: str
    campaign: str = ""
    lab_time_s: float = 0.0
    wall_time_s: float = 0.0
    data: dict[str, Any] = {}


class Sample(Answered):
    """A sample.

    Attributes:
        sample: as CAMPAIGN/LABEL.
        id: of it.
        campaign: that has made it.
        label: of its experiment.
        disposition: what has become of it; empty while it is under way.
        place: where it is.
    """

    sample: str
    id: str
    campaign: str
    label: str
    disposition: str = ""
    place: str = ""


class Person(Answered):
    """A person or a program that is let in.

    Attributes:
        id: of that one.
        kind: ``person``, ``agent`` or ``service``.
        name: to show.
        email: where to write to.
        roles: in the whole lab.
        groups: that data may be shared with.
        disabled_s: wall time since when that one is let in no more.
        version: of the answer; a change may name it, and is refused if the person has changed since.
    """

    id: str
    kind: str = "person"
    name: str = ""
    email: str = ""
    roles: list[str] = []
    groups: list[str] = []
    disabled_s: float | None = None
    version: str = ""


class Project(Answered):
    """A project.

    Attributes:
        id: of it.
        title: to show.
        members: ``id``, ``role`` and ``until_s`` of each.
        version: of the answer; a change may name it, and is refused if the project has changed since.
    """

    id: str
    title: str = ""
    members: list[dict[str, Any]] = []
    version: str = ""
