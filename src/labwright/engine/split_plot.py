"""Batches of a campaign held against the stations of its lab: how many samples can have a recipe in common."""

from __future__ import annotations

from collections.abc import Iterator

from labwright.engine.layout import Layout
from labwright.lab import Mistake, YamlFile
from labwright.model.spec import CampaignSpec
from labwright.stations import LabProtocol


def batch_mistakes(file: YamlFile, spec: CampaignSpec, protocol: LabProtocol, layout: Layout) -> Iterator[Mistake]:
    """A batch that is larger than a station, or of which it is not known how large it is.

    Args:
        file: of the campaign, for line and column.
        spec: of the campaign.
        protocol: that it carries out.
        layout: of the lab.
    """
    batch = spec.batch
    if batch is None or not set(batch.same) <= set(spec.space.names):
        return
    slots = _slots(spec, protocol, layout)
    names = " and ".join(batch.same)
    if batch.size is None and not slots:
        words = (
            f"batch: no station with several slots has a step of {protocol.name} whose recipe is {names}, so it is not "
            "known how many experiments have it in common; give a size"
        )
        yield file.mistake(["batch"], words, at_key=True)
    for station, most in slots.items():
        if batch.size is not None and batch.size > most:
            words = (
                f"batch.size: {batch.size} experiments cannot have {names} in common, since station {station} has "
                f"{most} slots; give {most} at most, or leave the size out"
            )
            yield file.mistake(["batch", "size"], words)


def with_batch_size(spec: CampaignSpec, protocol: LabProtocol, layout: Layout) -> CampaignSpec:
    """A campaign with the size of its batches, where its file leaves that to the lab."""
    if spec.batch is None or spec.batch.size is not None:
        return spec
    size = min(_slots(spec, protocol, layout).values())
    return spec.model_copy(update={"batch": spec.batch.model_copy(update={"size": size})})


def _slots(spec: CampaignSpec, protocol: LabProtocol, layout: Layout) -> dict[str, int]:
    """Slots of each station with several that gives its samples what a batch has in common."""
    assert spec.batch is not None  # noqa: S101 - asked for by its only callers
    same = set(spec.batch.same)
    found: dict[str, int] = {}
    for step in protocol.steps:
        slots = max(bench.slots for bench in layout.serving(step.station))
        if same & set(step.recipe) and slots > 1:
            found[step.station] = slots
    return found
