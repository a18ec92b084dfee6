"""Stations that do not work until a person has seen to them: what needs one does not begin, all else goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from labwright.engine.layout import Bench, Layout
from labwright.engine.work import Work
from labwright.model.latch import LatchScope
from labwright.model.protocol import ProtocolSpec


def lost_for(protocol: ProtocolSpec, campaign: str, work: Work, layout: Layout, latches: Collection[LatchScope]) -> str:
    """What a sample that begins now would get stuck at, in words; empty if all that it surely needs works.

    A station is lost while a question about its step is open, or its own stop is not reset. Steps with a condition
    do not count, since they may be skipped; nor does a station while another of its kind works.

    Args:
        protocol: by which the sample would be made.
        campaign: id of its campaign.
        work: the samples under way.
        layout: of the lab.
        latches: what was stopped and not reset.
    """
    asked = dict(_asked(work))
    if not (asked or latches):
        return ""
    why = {}
    for step in protocol.steps:
        found = [_why(bench, protocol, campaign, layout, asked, latches) for bench in layout.serving(step.station)]
        if step.when is None and all(found):
            why[step.station] = found[0]
    if protocol.brought and (carriers := [one for one in layout.carriers.values() if protocol.labware in one.labware]):
        benches = [layout.serving_one(one.station) for one in carriers]
        found = [_why(bench, protocol, campaign, layout, asked, latches) for bench in benches]
        if all(found):
            why[carriers[0].station] = found[0]
    return "; ".join(f"station {name}: {words}" for name, words in why.items())


def _asked(work: Work) -> Iterator[tuple[str, str]]:
    """What steps hold that wait for a person, each with its question."""
    by_step = {one.step_id: one.id for one in work.questions.open.values() if one.step_id}
    if by_step:
        for live in work.live.values():
            for experiment in live.values():
                for run in experiment.running:
                    if run.state == "unknown" and run.step_id in by_step:
                        yield run.unit, by_step[run.step_id]


def _why(
    bench: Bench,
    protocol: ProtocolSpec,
    campaign: str,
    layout: Layout,
    asked: dict[str, str],
    latches: Collection[LatchScope],
) -> str:
    """Why a station does not work; empty if it does, or one of its positions."""
    for latch in latches:
        if latch.station and latch.holds(bench.name, campaign, ""):
            return f"a person must reset the stop of {latch.words}"
    unit = f"station:{bench.name}"
    slots = [f"{unit}/{site}" for site in layout.sites_at(bench.name, protocol.labware)] if bench.slotted else []
    questions = [asked[one] for one in (unit, *slots) if one in asked]
    if unit in asked or (slots and len(questions) == len(slots)):
        return f"a person must answer {questions[0]}"
    return ""
