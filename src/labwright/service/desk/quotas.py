"""What projects may take of the lab: reserved when a request is approved, charged when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import sqlalchemy as sa

from labwright.service.schema import charge, quota

Kind = Literal["experiments", "station_minutes", "cost"]

KINDS: tuple[Kind, ...] = get_args(Kind)

SLACK = 1e-9
"""Relative: what sums of decimals lose."""


def set_quota(connection: sa.Connection, project: str, amounts: Mapping[str, float | None]) -> None:
    """Set what a project may take in all; None takes a limit away."""
    for kind, amount in amounts.items():
        connection.execute(sa.delete(quota).where(quota.c.project == project, quota.c.kind == kind))
        if amount is not None:
            connection.execute(sa.insert(quota).values(project=project, kind=kind, amount=amount))


def state_of(connection: sa.Connection, project: str) -> dict[str, dict[str, Any]]:
    """What a project may take, has reserved, and was charged, by kind."""
    limits = {
        row.kind: row.amount for row in connection.execute(sa.select(quota).where(quota.c.project == project)).all()
    }
    taken = _taken(connection, project)
    return {kind: {"amount": limits.get(kind), "reserved": taken[kind][0], "charged": taken[kind][1]} for kind in KINDS}


def reserve(connection: sa.Connection, number: int, project: str, wanted: Mapping[str, float]) -> str:
    """Reserve what a request takes, or nothing; why not, in words, empty if it was reserved."""
    release(connection, number)
    if words := short_of(connection, project, wanted):
        return words
    for kind, amount in wanted.items():
        connection.execute(sa.insert(charge).values(request=number, kind=kind, project=project, reserved=amount))
    return ""


def short_of(connection: sa.Connection, project: str, wanted: Mapping[str, float]) -> str:
    """What the quota of a project lacks, in words; empty if there is room."""
    state = state_of(connection, project)
    short = []
    for kind, amount in wanted.items():
        limit = state[kind]["amount"]
        left = None if limit is None else limit - state[kind]["reserved"] - state[kind]["charged"]
        if left is not None and amount > left + SLACK * max(abs(limit or 0.0), 1.0):
            short.append(f"{amount:g} {kind} are needed, {max(left, 0):g} of {limit:g} are left")
    return f"waits for the quota of project {project}: {'; '.join(short)}" if short else ""


def release(connection: sa.Connection, number: int) -> None:
    """What was reserved for a request is free again; what was charged stays."""
    connection.execute(sa.delete(charge).where(charge.c.request == number, charge.c.charged.is_(None)))


def settle(connection: sa.Connection, number: int, charged: Mapping[str, float]) -> None:
    """Charge a request that is over; the rest of what was reserved is free again."""
    for kind, amount in charged.items():
        mine = (charge.c.request == number, charge.c.kind == kind)
        connection.execute(sa.update(charge).where(*mine).values(charged=amount))


def _taken(connection: sa.Connection, project: str) -> dict[str, tuple[float, float]]:
    """Reserved and charged, by kind."""
    reserved = sa.func.coalesce(sa.func.sum(sa.case((charge.c.charged.is_(None), charge.c.reserved), else_=0.0)), 0.0)
    charged = sa.func.coalesce(sa.func.sum(charge.c.charged), 0.0)
    query = sa.select(charge.c.kind, reserved, charged).where(charge.c.project == project).group_by(charge.c.kind)
    found = {kind: (float(one), float(other)) for kind, one, other in connection.execute(query)}
    return {kind: found.get(kind, (0.0, 0.0)) for kind in KINDS}
