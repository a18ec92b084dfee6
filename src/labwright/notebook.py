"""The face for notebooks and scripts: an open lab, its campaigns, its runs; every call returns when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from labwright.model.campaign import Recommendation
from labwright.optimiser import column

if TYPE_CHECKING:
    import pandas as pd

    from labwright.engine import Campaign, CampaignEnd
    from labwright.hardware import LabDevice
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
        self._used_by = ""
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
        self, name: str, *, budget: int | None = None, seed: int | None = None, planner: str | None = None
    ) -> LabCampaign:
        """A campaign by its name or file, checked against the lab; nothing moves yet.

        Args:
            name: of a campaign in the lab's folder, or a path ending in .yaml.
            budget: experiments, if other than in the file.
            seed: if other than in the file.
            planner: by name, if other than in the file.

        Raises:
            ConfigError: there is none, it has mistakes, or the lab cannot carry it out.
        """
        from labwright.cli.places import find_campaign
        from labwright.engine import load_campaign

        path = find_campaign(self._root, name)
        found = load_campaign(self._lab.folder, path, budget=budget, seed=seed, planner=planner)
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

    def claim(self, campaign: Campaign) -> None:
        """One campaign after the other, and none on what another has used up.

        Raises:
            RefusedError: the lab is closed, a campaign runs, or its vials and stocks are used.
        """
        from labwright.model.errors import RefusedError

        if self._closed:
            raise RefusedError(f"{self.name} is closed; open it again")
        if self._used_by:
            raise RefusedError(
                f"{self._used_by} runs or has used this lab's containers and stocks; close it, refill it (a simulated "
                "lab comes back full) and open it again"
            )
        self._used_by = campaign.spec.name

    def release(self, campaign: Campaign) -> None:
        """Give the lab free after a campaign that uses nothing up."""
        if not campaign.places and not any(one.worst_consumption_ml() for one in campaign.protocols.values()):
            self._used_by = ""


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

    def run(self, *, deck_checked: bool = False) -> CampaignResult:
        """Run it to its end and write its report; an interrupt (Ctrl-C) ends it after the current operation, twice now.

        Args:
            deck_checked: after a campaign that did not end well: somebody has looked at the deck.

        Raises:
            RefusedError: another campaign has the lab, has used it up, or may have left something on the deck.
            NoJournalError: there is no place for a journal; nothing was started.
            JournalError: the journal refuses; everything was stopped, what was measured before is kept.
        """
        from labwright.cli.output import whoami
        from labwright.cli.reporting import write_report
        from labwright.cli.running import interrupts, refuse_after_a_broken_one
        from labwright.engine import CampaignRun, close_unfinished, unfinished
        from labwright.engine.latch import refuse_while_latched
        from labwright.journal import Journal, check_place, journal_file

        data = self._owner.data
        check_place(data, self.spec.budget)
        with Journal(journal_file(data)) as journal:
            journal.claim()
            refuse_while_latched(journal, self._lab.instruments)
            if (cut_off := unfinished(journal)) is not None:
                close_unfinished(journal, cut_off, "a notebook begins another campaign", whoami())
            if self._world is None and not deck_checked:
                refuse_after_a_broken_one(journal, self._campaign)
            self._owner.claim(self._campaign)
            run = CampaignRun(self._lab, self._campaign, journal, data, by=whoami())
            with interrupts(run):
                end = run.run()
        self._owner.release(self._campaign)
        report = write_report(data, self.spec.name, world=self._world)
        return CampaignResult(self._campaign, end, report, self._lab.simulated)


@dataclass(frozen=True)
class CampaignResult:
    """How a campaign ended and what it found.

    Attributes:
        campaign: as it was run.
        end: its state, reason and core.
        report: the HTML report.
        simulated: whether its instruments were.
    """

    campaign: Campaign
    end: CampaignEnd
    report: Path
    simulated: bool

    @property
    def best(self) -> Recommendation | None:
        """The best place by the planner's judgement, None before any result."""
        return self.campaign.planner.best(self.end.core.state())

    @property
    def table(self) -> pd.DataFrame:
        """One row an experiment: what was made (weighed where it is), and what was found with its standard error."""
        import pandas as pd

        spec = self.campaign.spec
        units = {one.name: getattr(one, "unit", "") for one in spec.space.parameters}
        rows = []
        for trial in self.end.core.trials:
            row: dict[str, Any] = {column(name, units[name]): value for name, value in trial.made.items()}
            for name, unit in spec.outcomes.items():
                found = trial.outcomes.get(name)
                row[column(name, unit)] = found.mean if found else None
                row[column(f"{name}_sem", unit)] = found.sem if found else None
            rows.append({**row, "status": trial.status})
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="experiment"))

    def __repr__(self) -> str:
        simulated = "SIMULATED " if self.simulated else ""
        return f"<{simulated}{self.end.campaign} {self.end.state}: {self.end.reason}>"

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
