"""The face for notebooks and scripts: an open lab, its campaigns, its runs; every call returns when it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from labwright.model.campaign import Recommendation
from labwright.model.figures import spelled
from labwright.optimiser import column

if TYPE_CHECKING:
    import pandas as pd

    from labwright.engine import Campaign, CampaignEnd
    from labwright.hardware import LabDevice
    from labwright.journal import Journal, LoggedEvent
    from labwright.journal.status import LabStatus
    from labwright.report import Cards
    from labwright.store import UploadSummary


class OpenLab:
    """An open lab; `labwright.open` makes it. Close it, or use it in a `with` block.

    Attributes:
        name: the lab's title.
        simulated: whether its instruments are simulated.
        devices: ophyd devices by name.
        data: folder of journal, runs and reports.
    """

    def __init__(
        self, folder: str | Path, *, simulated: bool, endpoints: str | Path | None, data: str | Path | None, seed: int
    ) -> None:
        from labwright.cli.places import data_folder
        from labwright.cli.simulating import opened

        self._root = Path(folder).resolve()
        self.data = data_folder(self._root, Path(data) if data else None)
        with ExitStack() as stack:
            _, self._lab, self._world = stack.enter_context(
                opened(
                    self._root,
                    simulated=simulated,
                    endpoints=Path(endpoints) if endpoints else None,
                    speed=0.0,
                    seed=seed,
                )
            )
            stack.enter_context(self._lab)
            self._open = stack.pop_all()
        self.name: str = self._lab.model.title
        self.simulated: bool = self._lab.simulated
        self._closed = False
        self.devices: Mapping[str, LabDevice] = self._lab.devices

    def __enter__(self) -> OpenLab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        simulated = "SIMULATED " if self.simulated else ""
        return f"<{simulated}{self.name}: {len(self.devices)} devices open, campaigns {', '.join(self.campaigns)}>"

    def close(self) -> None:
        """Bring every device to its safe state and give the ports back.

        Raises:
            UnsafeError: what could not be made safe; look at it now. The ports are given back all the same.
        """
        self._closed = True
        self._open.close()

    @property
    def campaigns(self) -> list[str]:
        """Names of the campaigns in the lab's folder."""
        from labwright.engine.campaign import campaign_files

        return list(campaign_files(self._root))

    def campaign(
        self,
        name: str,
        *,
        budget: int | None = None,
        seed: int | None = None,
        planner: str | None = None,
        parallel: int | None = None,
    ) -> LabCampaign:
        """A campaign by its name or file, checked against the lab; nothing moves yet.

        Args:
            name: of a campaign in the lab's folder, or a path ending in .yaml.
            budget: experiments, if other than in the file.
            seed: if other than in the file.
            planner: by name, if other than in the file.
            parallel: samples on their way at once, if other than in the file.

        Raises:
            ConfigError: there is none, it has mistakes, or the lab cannot carry it out.
        """
        from labwright.cli.places import find_campaign
        from labwright.engine import load_campaign
        from labwright.engine.filling import left_on
        from labwright.journal import Journal, journal_file

        path = find_campaign(self._root, name)
        with Journal.reading(journal_file(self.data)) as journal:
            count = left_on(journal, self._lab)
        found = load_campaign(
            self._lab.folder,
            path,
            budget=budget,
            seed=seed,
            planner=planner,
            parallel=parallel,
            simulated=self.simulated,
            count=count,
        )
        return LabCampaign(found, self, self._lab, self._world)

    @property
    def runs(self) -> Runs:
        """The runs in the journal, oldest first."""
        return Runs(self.data / "runs")

    def sync(self, timeout_s: float = 600.0) -> UploadSummary:
        """Upload every run of the journal that the data store lacks, and wait for it.

        Raises:
            StoreError: not everything is there in time.
        """
        from labwright.model.errors import StoreError
        from labwright.store import Uploader

        uploader = Uploader(self.data / "runs", self.data / "tiled")
        uploader.start()
        summary = uploader.drain(timeout_s)
        if not summary.complete:
            raise StoreError(f"the data store in {self.data / 'tiled'} is not complete: {summary}")
        return summary

    def store(self) -> AbstractContextManager[Any]:
        """The data store, for a `with` block, complete: a Tiled catalogue whose `.v1` is a databroker Broker.

        Raises:
            StoreError: its server does not come up, or it lacks a run.
        """
        from labwright.store import open_store

        self.sync()
        return open_store(self.data / "tiled")

    @property
    def questions(self) -> list[OpenQuestion]:
        """What waits for a person in this journal: samples that are held, and a deck that is in doubt."""
        from labwright.engine.answering import open_questions
        from labwright.journal import Journal, journal_file

        with Journal.reading(journal_file(self.data)) as journal:
            return [_question(one) for one in open_questions(journal)]

    def answer(
        self,
        question: str,
        answer: str,
        *,
        by: str,
        reason: str,
        readings: Mapping[str, Any] = {},
        parameters: Mapping[str, Any] = {},
    ) -> None:
        """Answer a question, as ``labwright question answer`` does; the journal records who and why.

        Args:
            question: its id.
            answer: one of its choices.
            by: the person who answers.
            reason: what that person has seen or done.
            readings: of a task card that is done, by name.
            parameters: other values to repeat a step with (answer ``again``), by name: those that change.

        Raises:
            ConfigError: there is no such question, answer or value, or by or reason is empty.
            RefusedError: it is no longer open.
        """
        from labwright.engine.answering import answer_open
        from labwright.journal import Journal, journal_file

        with Journal(journal_file(self.data)) as journal:
            given = {"readings": readings, "parameters": parameters}
            answer_open(journal, question, answer, by=by, because=reason, **given)

    def refuse_if_closed(self) -> None:
        """Start nothing on instruments that have been given back.

        Raises:
            RefusedError: the lab is closed.
        """
        from labwright.model.errors import RefusedError

        if self._closed:
            raise RefusedError(f"{self.name} is closed; open it again")


@dataclass(frozen=True)
class OpenQuestion:
    """Something that only a person can answer.

    Attributes:
        id: for `OpenLab.answer`.
        text: what is asked.
        choices: answers, and what each means.
        kind: ``question``, or ``task`` for the card of a step that a person does.
        readings: what is to be read for a task card: name and what is allowed.
        parameters: values with which the step can be repeated instead (answer ``again``): name, present value and what
            is allowed.
    """

    id: str
    text: str
    choices: Mapping[str, str]
    kind: str = "question"
    readings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        answers = "".join(f"\n  {answer}: {means}" for answer, means in self.choices.items())
        others = "".join(f"\n  again with another {name}, {allowed}" for name, allowed in self.parameters.items())
        return f"{self.id}: {self.text}{answers}{others}"


def _question(asked: Mapping[str, Any]) -> OpenQuestion:
    task = asked["task"] or {"readings": []}
    readings = {one["name"]: one["allowed"] for one in task["readings"]}
    others = {one["name"]: f"now {spelled(one['value'])}: {one['allowed']}" for one in asked.get("parameters") or ()}
    return OpenQuestion(asked["id"], asked["text"], asked["choices"], asked["kind"], readings, others)


class ServedLab:
    """A lab whose controller another process runs (`labwright serve`); `labwright.connect` makes it.

    It reads the journal, and asks the controller through it; nothing stays open between two calls.

    Attributes:
        data: folder of journal, runs and reports.
        place: of the journal.
    """

    def __init__(self, lab: str | Path | None, data: str | Path | None, journal: str) -> None:
        from labwright.cli.places import data_folder, lab_root
        from labwright.journal import journal_file

        self._root = lab_root(Path(lab) if lab else None).resolve()
        self.data = data_folder(self._root, Path(data) if data else None)
        self.place: str | Path = journal or journal_file(self.data)

    def __repr__(self) -> str:
        return f"<{self._root.name} by {self.place}>"

    def status(self) -> LabStatus:
        """The lab as it stands now, as ``labwright status`` shows it.

        Raises:
            JournalError: the journal cannot be read.
        """
        from labwright.journal.status import lab_status

        with self._reading() as journal:
            return lab_status(journal)

    def campaigns(self) -> list[dict[str, Any]]:
        """All campaigns, the most recent last: ``id``, ``name``, ``state``, ``tried``, ``budget``, ``best``, ...

        Raises:
            JournalError: the journal cannot be read.
        """
        from labwright.journal.reading import listed_rows

        with self._reading() as journal:
            return listed_rows(journal)

    def pictures(self, campaign: str) -> Cards:
        """What the report would draw of a campaign as far as it has come; a notebook shows it.

        Args:
            campaign: its id.

        Raises:
            ConfigError: there is none.
            JournalError: the journal cannot be read.
        """
        from labwright.report import cards_of, read_record

        with self._reading() as journal:
            return cards_of(read_record(journal, campaign))

    def submit(
        self,
        campaign: str,
        *,
        budget: int | None = None,
        seed: int | None = None,
        planner: str | None = None,
        parallel: int | None = None,
        by: str = "",
    ) -> str:
        """Hand a campaign to the controller that runs; the campaign's id.

        Args:
            campaign: a name in the lab's folder, or a path ending in .yaml.
            budget: experiments, if other than in the file.
            seed: if other than in the file.
            planner: by name, if other than in the file.
            parallel: samples on their way at once, if other than in the file.
            by: who hands it over; this process' user if empty.

        Raises:
            ConfigError: there is none, it has mistakes, or the lab cannot carry it out.
            RefusedError: no controller runs, or it refuses.
            JournalError: the controller does not answer; nothing was started.
        """
        from labwright.cli.places import find_campaign
        from labwright.engine.lifecycle import hand_over
        from labwright.journal.asking import deck_of
        from labwright.lab import read_lab

        folder, file = read_lab(self._root), find_campaign(self._root, campaign)
        with self._writing() as journal:
            return hand_over(
                journal,
                folder,
                file,
                deck_of(journal),
                by=by or _whoami(),
                budget=budget,
                seed=seed,
                planner=planner,
                parallel=parallel,
            )

    def watch(self, campaign: str, *, after: int = 0, deadline_s: float | None = None) -> Iterator[LoggedEvent]:
        """The events of a campaign as they are recorded, until it is over.

        Args:
            campaign: its id, or a name: the newest of it.
            after: id of the last event that is known already.
            deadline_s: wall seconds after which it ends in any case; never if None.

        Raises:
            ConfigError: there is no such campaign.
            JournalError: the journal cannot be read.
        """
        from labwright.journal.reading import followed

        with self._reading() as journal:
            yield from followed(journal, campaign, after, deadline_s)

    def pause(self, campaign: str, *, by: str = "", reason: str = "") -> None:
        """Let no further operation of a campaign start; those under way end.

        Raises:
            ConfigError: there is no such campaign.
            RefusedError: it is over, no controller runs it, or its controller refuses.
            JournalError: its controller does not answer; the command is taken back.
        """
        self._steer(campaign, "pause", {}, by, reason)

    def resume(self, campaign: str, *, by: str = "", reason: str = "") -> None:
        """Let operations of a campaign start again; raises what `pause` does."""
        self._steer(campaign, "resume", {}, by, reason)

    def drain(self, campaign: str, *, by: str = "", reason: str = "") -> None:
        """Start no further experiment of a campaign; those under way are finished; raises what `pause` does."""
        self._steer(campaign, "drain", {}, by, reason)

    def extend(self, campaign: str, *, budget: int, by: str, reason: str, lab_changed: bool = False) -> None:
        """Let a campaign make more experiments, ``budget`` in all: one that is under way, or one that has run out.

        Where no controller runs, the next one carries them out.

        Args:
            campaign: its id, or a name.
            budget: experiments in all.
            by: the person who wants it.
            reason: why.
            lab_changed: that person has checked what changed in the lab's files since it was started.

        Raises:
            ConfigError: there is no such campaign, or the person or the reason is not named.
            RefusedError: it was stopped or has failed, it has made as many already, too little is left for them, the
                lab has changed, or its controller refuses.
            JournalError: its controller does not answer; the command is taken back.
        """
        from labwright.engine.extending import extend
        from labwright.lab import read_lab

        root = self._root
        with self._writing() as journal:
            extend(
                journal,
                campaign,
                budget,
                by=by,
                because=reason,
                folder=lambda: read_lab(root),
                lab_changed=lab_changed,
            )

    def suggest(self, campaign: str, params: Mapping[str, int | float | str], *, by: str, reason: str) -> str:
        """Put an experiment before any that the planner suggests; the id of the proposal.

        Args:
            campaign: its id, or a name.
            params: every parameter of its space.
            by: the person who wants it.
            reason: why.

        Raises:
            ConfigError: the person or the reason is not named, or these are no values of the campaign's space.
            RefusedError: no controller runs it, or its controller refuses.
            JournalError: its controller does not answer; the command is taken back.
        """
        from labwright.journal.asking import refuse_unnamed
        from labwright.journal.reading import space_of

        refuse_unnamed(by, reason)
        with self._reading() as journal:
            space_of(journal, campaign).check(dict(params))
        return self._steer(campaign, "suggest", {"params": dict(params)}, by, reason)

    def veto(
        self, campaign: str, what: str | Mapping[str, int | float | str], *, reach: float = 0.0, by: str, reason: str
    ) -> None:
        """Withdraw a proposal that has not started, or forbid a point and what is around it.

        Args:
            campaign: its id, or a name.
            what: a proposal's id; or values.
            reach: around values, as a share of each range.
            by: the person who forbids it.
            reason: why.

        Raises:
            ConfigError: the person or the reason is not named.
            RefusedError: no controller runs it, or its controller refuses.
            JournalError: its controller does not answer; the command is taken back.
        """
        from labwright.journal.asking import refuse_unnamed

        refuse_unnamed(by, reason)
        payload: dict[str, Any] = {"trial": what} if isinstance(what, str) else {"params": dict(what), "reach": reach}
        self._steer(campaign, "veto", payload, by, reason)

    def stop(self, *, reason: str, station: str = "", campaign: str = "", sample: str = "", by: str = "") -> None:
        """Stop the lab now, or what is named: devices are halted, and nothing starts there until `reset`.

        Args:
            reason: why.
            station: only this one.
            campaign: only this one, by id or name.
            sample: only this one, as ``CAMPAIGN/LABEL``.
            by: who stops; this process' user if empty.

        Raises:
            ConfigError: more than one is named, or there is no such one.
            RefusedError: no controller runs, or it refuses.
            JournalError: it does not answer; the command was withdrawn.
        """
        from labwright.journal.asking import stop_now

        with self._writing() as journal:
            stop_now(journal, station=station, campaign=campaign, sample=sample, by=by or _whoami(), because=reason)

    def reset(
        self,
        *,
        by: str,
        reason: str,
        station: str = "",
        campaign: str = "",
        sample: str = "",
        everything: bool = False,
        instruments: str = "",
    ) -> None:
        """Reset the stop of the lab, or of what is named, as ``labwright reset`` does.

        Raises:
            ConfigError: by or reason is empty, or what is named is not stopped.
            RefusedError: nothing is stopped, several are, or a campaign is still being stopped.
        """
        from labwright.journal.resetting import Reset, reset_stops

        with self._writing() as journal:
            reset_stops(journal, Reset(station, campaign, sample, everything), instruments, by=by, because=reason)

    @property
    def questions(self) -> list[OpenQuestion]:
        """What waits for a person: samples that are held, and decks that are in doubt."""
        from labwright.engine.answering import open_questions

        with self._reading() as journal:
            return [_question(one) for one in open_questions(journal)]

    def answer(
        self,
        question: str,
        answer: str,
        *,
        by: str,
        reason: str,
        readings: Mapping[str, Any] = {},
        parameters: Mapping[str, Any] = {},
    ) -> bool:
        """Answer a question, or sign a task card with what was read; whether that has taken effect.

        If not, it does when the campaign is resumed. `parameters` are other values to repeat a step with.

        Raises:
            ConfigError: there is no such question or answer, or by or reason is empty.
            RefusedError: it is no longer open, or the controller refuses.
        """
        from labwright.engine.answering import answer_open

        with self._writing() as journal:
            given = {"readings": readings, "parameters": parameters}
            return answer_open(journal, question, answer, by=by, because=reason, **given).taken

    def _steer(self, campaign: str, kind: str, payload: Mapping[str, Any], by: str, reason: str) -> str:
        from labwright.journal.asking import steer

        with self._writing() as journal:
            return steer(journal, campaign, kind, payload, by=by or _whoami(), because=reason).trial

    def _reading(self) -> Journal:
        from labwright.journal import Journal

        return Journal.reading(self.place)

    def _writing(self) -> Journal:
        from labwright.journal import Journal

        return Journal(self.place)


def _whoami() -> str:
    from labwright.cli.output import whoami

    return whoami()


class LabCampaign:
    """A campaign that fits its lab; `run` carries it out."""

    def __init__(self, campaign: Campaign, owner: OpenLab, lab: Any, world: Any) -> None:
        self.spec = campaign.spec
        self._campaign = campaign
        self._owner = owner
        self._lab = lab
        self._world = world

    def __repr__(self) -> str:
        spec = self.spec
        return f"<{spec.name}: {spec.budget} experiments, planner {spec.planner.name}, seed {spec.seed}>"

    def run(self, *, new: bool = False, progress: bool = True, deck_checked: bool = False) -> CampaignResult:
        """Run it to its end and write its report; an interrupt (Ctrl-C) ends it after the current operation, twice now.

        Args:
            new: start another one although one of this name was interrupted on these instruments, which then ends.
            progress: print a line per experiment to standard error.
            deck_checked: has no effect any more; see `OpenLab.questions`.

        Raises:
            RefusedError: another campaign runs, too little is left of what it needs, one was interrupted, the
                instruments were stopped and not reset, or the deck is in doubt (see `OpenLab.questions`); nothing was
                changed.
            ConfigError: `deck_checked` was given, or the journal lacks the campaigns it is to learn from.
            NoJournalError: there is no place for a journal; nothing was started.
            JournalError: the journal refuses; everything was stopped, what was measured before is recorded.
        """
        from labwright.cli.output import whoami
        from labwright.cli.relay import relayed
        from labwright.cli.reporting import write_report
        from labwright.cli.running import interrupts
        from labwright.engine import CampaignRun
        from labwright.engine.earlier import learnt_from
        from labwright.engine.filling import left_on
        from labwright.engine.lifecycle import close, decide, refuse_doubtful_deck
        from labwright.engine.sufficing import check_material
        from labwright.journal import Journal, check_place, journal_file
        from labwright.model.errors import ConfigError, RefusedError
        from labwright.report import experiment_rows, read_record

        if deck_checked:
            raise ConfigError(
                "deck_checked starts nothing any more: look at lab.questions, then answer by name with "
                "lab.answer(ID, 'clear', by=NAME, reason=TEXT)"
            )
        data, lab, campaign = self._owner.data, self._lab, self._campaign
        self._owner.refuse_if_closed()
        check_place(data, self.spec.budget)
        with relayed(), Journal(journal_file(data)) as journal:
            journal.claim()
            decision = decide(journal, self.spec.name, lab.instruments, new=new)
            if decision.resume:
                raise RefusedError(
                    f"{decision.resume} was interrupted; resume it with: labwright campaign run {self.spec.name}. To "
                    "end it and start another: run(new=True)"
                )
            check_material(lab.folder, self.spec, campaign.protocols, left_on(journal, lab))
            refuse_doubtful_deck(journal, lab.instruments, campaign.protocol_specs, bool(campaign.container))
            earlier = learnt_from(journal, campaign.spec, campaign.earlier, simulated=lab.simulated)
            campaign = replace(campaign, earlier=earlier)
            close(journal, decision, whoami())
            run = CampaignRun(
                lab, campaign, journal, data, _Shown(campaign, lab).take if progress else None, by=whoami()
            )
            with interrupts(run):
                end = run.run()
            rows = experiment_rows(read_record(journal, end.campaign))
        report = write_report(data, end.campaign, world=self._world)
        return CampaignResult(campaign, end, report, lab.simulated, rows, data, self._world)


class _Shown:
    """A line per experiment on standard error, while a campaign runs; called from a thread of its own."""

    def __init__(self, campaign: Campaign, lab: Any) -> None:
        from labwright.cli.progress import Progress

        self._progress = Progress(campaign, lab.clock.now, simulated=lab.simulated)
        self._heading = f"{self._progress.heading()}\n"

    def take(self, event: Any, core: Any) -> None:
        """Another event."""
        for words in self._progress.take(event, core):
            if words:
                print(f"{self._heading}{words}", file=sys.stderr, flush=True)  # noqa: T201 - what a notebook shows
                self._heading = ""


@dataclass(frozen=True)
class CampaignResult:
    """How a campaign ended and what it found.

    Attributes:
        campaign: as it was run.
        end: its state, reason and core.
        report: the HTML report.
        simulated: whether its instruments were.
        rows: the experiments and what was found, a row each by head, as `labwright campaign export` writes them.
        data: folder of journal, runs and reports.
        world: the simulated world, for the true values; None for a real lab.
    """

    campaign: Campaign
    end: CampaignEnd
    report: Path
    simulated: bool
    rows: Sequence[Mapping[str, Any]] = ()
    data: Path = Path()
    world: Any = None

    @property
    def pictures(self) -> Cards:
        """What the report draws, with its numbers: ``pictures["Best so far"]``; a notebook shows them.

        Raises:
            JournalError: the journal cannot be read any more.
        """
        from labwright.journal import Journal, journal_file
        from labwright.report import cards_of, read_record

        with Journal.reading(journal_file(self.data)) as journal:
            return cards_of(read_record(journal, self.end.campaign), self.world)

    @property
    def best(self) -> Recommendation | None:
        """The best place by the planner's judgement, None before any result."""
        return self.campaign.planner.best(self.end.core.state())

    @property
    def table(self) -> pd.DataFrame:
        """One row per experiment, by its number; what has no experiment is called as in the report (``p1``).

        Columns: what was prepared (as measured where it is), outcomes with their standard errors, the protocol's other
        results (an array as nested lists, a file by its address), lab time of the first and the last step, status.
        """
        import pandas as pd

        return pd.DataFrame(self.rows).set_index("experiment") if self.rows else pd.DataFrame()

    def __repr__(self) -> str:
        from labwright.cli.words import learns_words

        simulated = "SIMULATED " if self.simulated else ""
        learns = learns_words([one.model_dump() for one in self.end.core.started.earlier])
        return f"<{simulated}{self.end.campaign} {self.end.state}: {self.end.reason}{learns}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.table.to_html()}"


class Runs:
    """Runs of a journal: `runs[-1]`, `runs["3f2a"]` (a uid's beginning), `for run in runs`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __len__(self) -> int:
        from labwright.journal import run_files

        return len(run_files(self._folder))

    def __iter__(self) -> Iterator[Run]:
        from labwright.journal import closed_runs

        return (Run(path) for path in closed_runs(self._folder))

    @overload
    def __getitem__(self, which: int | str) -> Run: ...
    @overload
    def __getitem__(self, which: slice) -> list[Run]: ...
    def __getitem__(self, which: int | str | slice) -> Run | list[Run]:
        from labwright.journal import closed_runs, find_run

        if isinstance(which, slice):
            return [Run(path) for path in closed_runs(self._folder)[which]]
        return Run(find_run(self._folder, which) if isinstance(which, str) else closed_runs(self._folder)[which])

    def __repr__(self) -> str:
        return f"<{len(self)} runs in {self._folder}>"


class Run:
    """One run: its Bluesky documents as they were journalled.

    Attributes:
        documents: pairs of name and document.
    """

    def __init__(self, path: Path) -> None:
        from labwright.journal import read_run

        self.documents = read_run(path)

    @property
    def start(self) -> dict[str, Any]:
        """The run's start document."""
        return self.documents[0][1]

    @property
    def stop(self) -> dict[str, Any]:
        """The run's stop document."""
        return self.documents[-1][1]

    @property
    def streams(self) -> list[str]:
        """Names of its streams."""
        return [document["name"] for name, document in self.documents if name == "descriptor"]

    def table(self, stream: str) -> pd.DataFrame:
        """One row an event of `stream`, one column a reading, with units in the names.

        Raises:
            ConfigError: the run has no such stream.
        """
        import pandas as pd

        from labwright.model.errors import ConfigError, unknown

        found = next((d for name, d in self.documents if name == "descriptor" and d["name"] == stream), None)
        if found is None:
            raise ConfigError(unknown("stream", stream, self.streams))
        events = [d for name, d in self.documents if name == "event" and d["descriptor"] == found["uid"]]
        columns = {key: column(key, one.get("units", "")) for key, one in found["data_keys"].items()}
        rows = [{columns[key]: value for key, value in event["data"].items()} for event in events]
        return pd.DataFrame(rows, index=pd.Index([event["seq_num"] for event in events], name="event"))

    def __repr__(self) -> str:
        labwright = self.start.get("labwright", {})
        words = " ".join(str(labwright[key]) for key in ("campaign", "experiment", "step") if labwright.get(key))
        return f"<run {self.start['uid'][:8]} {words} {self.stop.get('exit_status')}: {', '.join(self.streams)}>"
