"""Whether a campaign's material lasts in the worst case, asked before it starts: containers, standards, stocks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from labwright.engine.dirty import DirtyRows
from labwright.engine.inventory import DeckCount, from_files
from labwright.engine.material import Material, used_up_words
from labwright.engine.stocks import no_room
from labwright.journal import instruments_words
from labwright.lab import LabFolder
from labwright.model.errors import ConfigError, LabwrightError, RefusedError, unknown
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.spec import CampaignSpec
from labwright.stations import LabProtocol


def check_candidates(spec: CampaignSpec) -> None:
    """Refuse a campaign that has too few candidates for its budget.

    Raises:
        ConfigError: it has.
    """
    pool = spec.space.pool
    if pool is not None and spec.budget > len(pool.rows) * spec.replicates:
        times = "tried once" if spec.replicates == 1 else f"with {spec.replicates} replicates"
        raise ConfigError(
            f"campaign {spec.name}: {spec.budget} experiments, but {pool.file} has {len(pool.rows)} candidates, each "
            f"{times}; lower the budget or add candidates"
        )


def check_material(
    folder: LabFolder, spec: CampaignSpec, protocols: Mapping[str, LabProtocol], count: DeckCount | None
) -> None:
    """Refuse a campaign that could run out of something.

    Args:
        folder: the lab, as its files have it.
        spec: of the campaign.
        protocols: the protocol and its preparations, by name.
        count: what the deck has left; as the lab's files say if None.

    Raises:
        ConfigError: the lab's files have too little.
        RefusedError: the deck has too little left, or what a protocol uses up was used up by another campaign.
    """
    prepare = spec.prepare
    if count is not None and not spec.prepare_anew:
        prepare = tuple(one for one in prepare if not count.need_not_make(protocols[one].spec, folder.sha256))
    _check_containers(folder.model, spec, protocols[spec.protocol].labware, count)
    _check_stocks(folder.model, spec, prepare, protocols, count)
    for name in (*prepare, spec.protocol) if count is not None else ():
        if words := used_up_words(protocols[name].uses_up, count.holds if count else {}):
            raise RefusedError(
                f"campaign {spec.name}: protocol {name} needs what is no longer there: {words}. {_refill(count)}"
            )


def _check_containers(lab: LabModel, spec: CampaignSpec, container: str, count: DeckCount | None) -> None:
    if not container:
        return
    if count is None:
        there = [name for name, position in lab.positions.items() if position.holds == container]
    else:
        there = count.fresh(container)
    if len(there) < spec.budget:
        needed = f"campaign {spec.name}: {spec.budget} experiments need {spec.budget} positions that hold an empty"
        raise _error(
            count,
            f"{needed} {container}, the lab has {len(there)}; refill them (inventory.yaml, holds: {container}) or "
            "lower the budget",
            f"{needed} {container}, {len(there)} are left at {_where(count)}; lower the budget, or refill them. "
            f"{_refill(count)}",
        )


def _check_stocks(
    lab: LabModel,
    spec: CampaignSpec,
    prepare: Collection[str],
    protocols: Mapping[str, LabProtocol],
    count: DeckCount | None,
) -> None:
    """Refuse a campaign that could run a stock dry in the worst case, or fill a waste."""
    there = Material(DirtyRows())
    there.now_s = time.time() if count is None else count.now_s
    if count is None:
        there.fill(from_files(lab))
    else:
        there.stocks, there.wastes = dict(count.stocks), dict(count.wastes)
    needed: dict[str, int] = {}
    stations: dict[str, frozenset[str]] = {}
    for name, times in [(spec.protocol, spec.budget), *((name, 1) for name in prepare)]:
        for material, amount in protocols[name].worst_uses().items():
            needed[material] = needed.get(material, 0) + times * amount
            stations[material] = stations.get(material, frozenset()) | protocols[name].spec.stations
    known = {stock.material for stock in lab.stocks.values()} | lab.wastes.keys()
    for material in needed:
        if material not in known:
            raise ConfigError(unknown("material at a source, or waste", material, sorted(known)))
    into: dict[str, int] = {}
    short: list[str] = []
    for material, amount in needed.items():
        waste = material if material in there.wastes else there.goes_into(material)
        if waste in there.wastes:
            into[waste] = into.get(waste, 0) + amount
        if material not in there.wastes:
            short += there.short_of(material, amount, stations[material])
    short += [
        no_room(name, amount, there.wastes[name])
        for name, amount in into.items()
        if (room := there.wastes[name].room) is not None and room < amount
    ]
    if short:
        what = f"campaign {spec.name}: stocks may not last for {spec.budget} experiments"
        lines = "\n".join(f"  {words}" for words in short)
        raise _error(
            count,
            f"{what}; refill them (inventory.yaml) or lower the budget:\n{lines}",
            f"{what} at {_where(count)}; lower the budget, or refill them. {_refill(count)}\n{lines}",
        )


def _error(count: DeckCount | None, in_files: str, on_deck: str) -> LabwrightError:
    return ConfigError(in_files) if count is None else RefusedError(on_deck)


def _where(count: DeckCount | None) -> str:
    return instruments_words(count.instruments) if count is not None else "the lab"


def _refill(count: DeckCount | None) -> str:
    if count is not None and count.instruments == HERE:
        return "Open the lab again: what is simulated in this process comes back full"
    return (
        "What was refilled has to be counted: labwright inventory count STOCK=AMOUNT POSITION=CONTAINER --by NAME "
        "--reason TEXT"
    )
