"""How long steps and moves took in earlier campaigns, out of the journal."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa

from labwright.engine.experiment import TO
from labwright.journal import Journal
from labwright.journal.schema import campaign as campaign_table
from labwright.journal.schema import step as step_table
from labwright.model.lab import LabModel

__all__ = ["learnt_moves_s", "learnt_s"]

HISTORY = 50
"""So many of the newest runs are looked at."""

ENOUGH = 3
"""Of fewer nothing is learnt."""


def learnt_s(journal: Journal, protocols: list[str], *, simulated: bool) -> dict[str, float]:
    """What the steps of protocols took: medians, lab seconds, by ``protocol/step``.

    Args:
        journal: that keeps them.
        protocols: by name.
        simulated: of campaigns on simulated instruments, or on real ones; the one says nothing about the other.
    """
    kind = step_table.c.protocol + "/" + step_table.c.name
    return _medians(journal, kind, step_table.c.protocol.in_(protocols), simulated=simulated)


def learnt_moves_s(journal: Journal, lab: LabModel, *, simulated: bool) -> dict[str, float]:
    """What a move took, whatever its way: medians, lab seconds, by transport.

    Args:
        journal: that keeps them.
        lab: with its transports.
        simulated: as for `learnt_s`.
    """
    moves = sa.and_(step_table.c.protocol.in_(list(lab.transports)), step_table.c.name.startswith(TO, autoescape=True))
    return _medians(journal, step_table.c.protocol, moves, simulated=simulated)


def _medians(
    journal: Journal, kind: sa.ColumnElement[str], which: sa.ColumnElement[bool], *, simulated: bool
) -> dict[str, float]:
    table, campaign = step_table, campaign_table
    alike = sa.select(campaign.c.id).where(campaign.c.simulated == sa.literal(simulated, sa.Boolean))
    took = (table.c.ended_s - table.c.started_s).label("took_s")
    newest = sa.func.row_number().over(partition_by=kind, order_by=table.c.ended_s.desc())
    inner = sa.select(kind.label("kind"), took, newest.label("place")).where(
        table.c.state == "done", which, table.c.campaign.in_(alike)
    )
    history = inner.subquery()
    rows = journal.read(sa.select(history).where(history.c.place <= HISTORY).order_by(history.c.kind, "took_s"))
    by_kind = {key: [float(row["took_s"]) for row in some] for key, some in groupby(rows, lambda row: str(row["kind"]))}
    return {key: values[len(values) // 2] for key, values in by_kind.items() if len(values) >= ENOUGH}
