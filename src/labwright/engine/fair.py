"""What each project and campaign has had of the lab, and who is due: fair queueing by the work of samples.

A sample's steps are charged to its campaign, and to its project, when the first of them starts, by what they should
take, and corrected when it ends by what they took; both divided by the share. The one that has had least is due. Such
time is that of start-time fair queueing (Goyal, Vin, Cheng: IEEE/ACM Trans. Networking 5, 1997): what began last sets a
clock, and none is behind it by more than one sample's work. So a campaign that comes later, or has rested, does not
make up for all that it has missed, and others do not stand still meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from labwright.engine.experiment import Experiment

__all__ = ["EQUAL_TERMS", "HOUR_S", "FairShare", "Terms", "in_fair_order", "why", "work_of"]

HOUR_S = 3600.0
"""Campaigns behind their deadlines are compared by whole hours, or two of them would take turns at each step."""


@dataclass(frozen=True)
class Terms:
    """On which terms a campaign has the lab.

    Attributes:
        project: whose it is; empty if it is a project of its own.
        share: its part, compared with other campaigns of its project.
        project_share: the part of its project, compared with others.
        slack_h: whole hours that its deadline is later than it should be over; infinite if it is not urgent.
    """

    project: str = ""
    share: float = 1.0
    project_share: float = 1.0
    slack_h: float = math.inf


EQUAL_TERMS = Terms()


class Due(NamedTuple):
    """Sorts campaigns: the lowest is due first.

    Attributes:
        project_s: what its project has had, lab seconds by its share.
        campaign_s: what it has had itself.
    """

    project_s: float
    campaign_s: float


@dataclass
class FairShare:
    """What projects and campaigns have had, lab seconds by their share.

    Attributes:
        had_s: by project (``project/NAME``, or ``project/`` and the id of a campaign that is its own) and by campaign.
        clock_s: what the sample that began last had been charged before: among projects by the empty name, among the
            campaigns of a project by its key.
        starts: samples that have started, of all campaigns.
        newest: which of these was the newest of a campaign, or what it was when the campaign came.
    """

    had_s: dict[str, float] = field(default_factory=dict)
    clock_s: dict[str, float] = field(default_factory=dict)
    starts: int = 0
    newest: dict[str, int] = field(default_factory=dict)

    def comes(self, campaign: str) -> None:
        """A campaign starts, or goes on after it was over."""
        self.newest[campaign] = self.starts

    def passed_by(self, campaign: str) -> int:
        """How many samples of others have started since its own newest."""
        return self.starts - self.newest.get(campaign, self.starts)

    def due(self, campaign: str, terms: Terms, work_s: float) -> Due:
        """How much is due to a campaign.

        Args:
            campaign: its id.
            terms: on which it has the lab.
            work_s: of its next sample, lab seconds.
        """
        project = _project(campaign, terms)
        return Due(
            self._had_s(project, "", work_s / terms.project_share), self._had_s(campaign, project, work_s / terms.share)
        )

    def begins(self, experiment: Experiment, terms: Terms) -> None:
        """The first step of a sample has started: its work is charged."""
        self.starts += 1
        self.newest[experiment.owner] = self.starts
        due, project = self.due(experiment.owner, terms, experiment.charged_s), _project(experiment.owner, terms)
        for key, among, start_s, share in (
            (project, "", due.project_s, terms.project_share),
            (experiment.owner, project, due.campaign_s, terms.share),
        ):
            self.clock_s[among] = max(self.clock_s.get(among, 0.0), start_s)
            self.had_s[key] = start_s + experiment.charged_s / share

    def ended(self, experiment: Experiment, terms: Terms) -> None:
        """A sample has ended: what it really took counts."""
        more_s = experiment.spent_s - experiment.charged_s
        for key, share in ((_project(experiment.owner, terms), terms.project_share), (experiment.owner, terms.share)):
            if key in self.had_s:
                self.had_s[key] += more_s / share

    def forget(self, campaign: str) -> None:
        """A campaign is over; its project is known on."""
        for key in (campaign, f"project/{campaign}"):
            self.had_s.pop(key, None)
            self.clock_s.pop(key, None)
        self.newest.pop(campaign, None)

    def _had_s(self, key: str, among: str, work_s: float) -> float:
        """What one has had; behind the others by no more than a sample's work."""
        clock_s = self.clock_s.get(among, 0.0)
        return max(self.had_s[key], clock_s - work_s) if key in self.had_s else clock_s


def work_of(experiment: Experiment) -> float:
    """What the steps of a sample that has not started should take, lab seconds; loops are counted once."""
    return sum(run.expected_s for run in experiment.steps.values() if not run.carrier)


def _project(campaign: str, terms: Terms) -> str:
    return f"project/{terms.project or campaign}"


def in_fair_order(
    samples: list[Experiment],
    fair: FairShare,
    terms: Callable[[str], Terms],
    most: int,
    was_passed: Callable[[Experiment], bool],
) -> list[Experiment]:
    """Samples of one priority, in the order in which they are served.

    Those that were passed by too many come first, then those whose campaigns are urgent. Of the rest, samples under
    way keep their places; the places of those that have not started go to whom they are due.

    Args:
        samples: in the order of the dispatcher's rule.
        fair: what each owner has had.
        terms: of an owner.
        most: so many samples of each other campaign may begin before the next one of a campaign that waits.
        was_passed: whether as many have passed a sample under way as may.
    """
    owners = {one.owner for one in samples}
    if len(owners) < 2:
        return samples
    known = {owner: terms(owner) for owner in owners}
    first = {one.owner: one for one in reversed(samples) if one.state == "accepted"}
    overtaken = {one.id for owner, one in first.items() if fair.passed_by(owner) >= most * (len(owners) - 1)}
    overtaken |= {one.id for one in samples if one.state != "accepted" and was_passed(one)}
    if any(one.slack_h < math.inf for one in known.values()):
        samples = sorted(samples, key=lambda one: (one.id not in overtaken, known[one.owner].slack_h))
    new: dict[str, list[Experiment]] = {}
    before = [one for one in samples if one.state == "accepted" and one.id in overtaken]
    for one in samples:
        if one.state == "accepted" and one.id not in overtaken and known[one.owner].slack_h == math.inf:
            new.setdefault(one.owner, []).append(one)
    if len(new) < 2 and not before:
        return samples
    place = {one.id: number for number, one in enumerate(samples)}
    ordered = itertools.chain(before, _by_turns(new, place, fair, known))
    kept = {one.id for live in (before, *new.values()) for one in live}
    return [next(ordered) if one.id in kept else one for one in samples]


def why(
    experiment: Experiment, others: Collection[Experiment], fair: FairShare, terms: Callable[[str], Terms], most: int
) -> str:
    """Why a sample starts before those of other campaigns, in words.

    Args:
        experiment: the sample.
        others: the next samples of other campaigns that have not started.
        fair: what each owner has had.
        terms: of an owner.
        most: as for `in_fair_order`.
    """
    own = terms(experiment.owner)
    if any(one.priority < experiment.priority for one in others):
        return "its campaign has the higher priority"
    rivals = {one.owner for one in others}
    if fair.passed_by(experiment.owner) >= most * len(rivals):
        return f"{fair.passed_by(experiment.owner)} of others have started since the one before"
    if own.slack_h < math.inf:
        return (
            "its campaign is behind its deadline" if own.slack_h < 0 else "its campaign has little time to its deadline"
        )
    mine = fair.due(experiment.owner, own, work_of(experiment))
    due = [fair.due(one.owner, terms(one.owner), work_of(one)) for one in others]
    if all(mine.project_s < one.project_s for one in due):
        return "its project has had least" if own.project else "its campaign has had least"
    if own.project and all(mine < one for one in due):
        return "its campaign has had least of its project"
    return "it came first"


def _by_turns(
    new: dict[str, list[Experiment]], place: dict[str, int], fair: FairShare, terms: dict[str, Terms]
) -> Iterator[Experiment]:
    """Samples that have not started, as they would if each started that comes first.

    Args:
        new: by owner.
        place: of each in the order of the dispatcher's rule, which decides where equally much is due to several.
        fair: what each owner has had.
        terms: of each owner.
    """
    projects: dict[str, list[tuple[float, int, str]]] = {}
    due_s: dict[str, float] = {}
    work_s: dict[str, float] = {}
    for owner, live in new.items():
        work_s[owner] = work_of(live[0])
        due, project = fair.due(owner, terms[owner], work_s[owner]), _project(owner, terms[owner])
        projects.setdefault(project, []).append((due.campaign_s, place[live[0].id], owner))
        due_s[project] = min(due_s.get(project, math.inf), due.project_s)
    for campaigns in projects.values():
        heapq.heapify(campaigns)
    heap = [(due_s[project], campaigns[0][1], project) for project, campaigns in projects.items()]
    heapq.heapify(heap)
    waiting = {owner: iter(live) for owner, live in new.items()}
    left = {owner: len(live) for owner, live in new.items()}
    while heap:
        had_s, _, project = heapq.heappop(heap)
        campaign_s, _, owner = heapq.heappop(projects[project])
        one = next(waiting[owner])
        left[owner] -= 1
        if left[owner]:
            next_s = campaign_s + work_s[owner] / terms[owner].share
            heapq.heappush(projects[project], (next_s, place[one.id] + 1, owner))
        if projects[project]:
            entry = (had_s + work_s[owner] / terms[owner].project_share, projects[project][0][1], project)
            heapq.heappush(heap, entry)
        yield one
