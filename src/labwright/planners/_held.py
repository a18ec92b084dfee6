"""Proposals of which some parameters are given, as those of a batch that is being filled: the space of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from labwright.model.campaign import CampaignState
from labwright.model.errors import PlannerError
from labwright.model.figures import spelled
from labwright.model.space import Choose, Constraint, Forbidden, LinearEQ, LinearLE, Params, ParamValue, Space

__all__ = ["free_space", "has_held", "held_words", "whole"]


def free_space(state: CampaignState) -> Space:
    """The space of the parameters that are not held; the whole space where none is.

    Raises:
        PlannerError: no point has what is held.
    """
    space, held = state.space, state.held
    if not held:
        return space
    parameters = tuple(one for one in space.parameters if one.name not in held)
    pool = space.pool
    if pool is not None:
        kept = [place for place, row in enumerate(pool.rows) if _row_has(space, row, held)]
        names = space.names
        rows = tuple(tuple(v for n, v in zip(names, pool.rows[at], strict=True) if n not in held) for at in kept)
        if not rows:
            raise PlannerError(_none_left(state))
        pool = pool.model_copy(update={"rows": rows, "ids": tuple(pool.ids[at] for at in kept) if pool.ids else ()})
    try:
        limits = tuple(found for one in space.constraints if (found := _rest(one, space, held)) is not None)
        return Space(parameters=parameters, constraints=limits, pool=pool)
    except (ValidationError, _BrokenError) as error:
        raise PlannerError(_none_left(state)) from error


def whole(state: CampaignState, points: Iterator[Params]) -> Iterator[Params]:
    """Points of the free space with what is held, as far as the whole space allows them."""
    if not state.held:
        yield from points
        return
    for params in points:
        full = {name: state.held[name] if name in state.held else params[name] for name in state.space.names}
        if not state.space.violations(full):
            yield full


def has_held(state: CampaignState, params: Params) -> bool:
    """Whether a point has what is held."""
    return all(params[name] == value for name, value in state.held.items())


def held_words(state: CampaignState) -> str:
    """What is held, in words to end a rationale with; empty if nothing is."""
    return f"; {_shown(state)} as in its batch" if state.held else ""


class _BrokenError(Exception):
    """What is held breaks a constraint, whatever the other parameters are."""


def _rest(limit: Constraint, space: Space, held: Params) -> Constraint | None:
    """What a constraint asks of the parameters that are not held; None if nothing.

    Raises:
        _BrokenError: nothing can keep it.
    """
    if isinstance(limit, Choose) or not set(limit.names) & set(held):
        return limit  # a choice is never held in part (`BatchSpec`)
    if isinstance(limit, Forbidden):
        met = {name: one for name, one in limit.when.items() if name in held}
        known = {one.name: one for one in space.parameters}
        if limit.model_copy(update={"when": met}).violation(held, known) is None:
            return None
        rest = {name: one for name, one in limit.when.items() if name not in held}
        if not rest:
            raise _BrokenError
        return limit.model_copy(update={"when": rest})
    factors = {name: factor for name, factor in limit.coefficients.items() if name not in held}
    used = sum(factor * float(held[name]) for name, factor in limit.coefficients.items() if name in held)
    if not factors:
        if limit.violation(held):
            raise _BrokenError
        return None
    if isinstance(limit, LinearLE):
        return LinearLE(coefficients=factors, bound=limit.bound - used)
    return LinearEQ(coefficients=factors, total=limit.total - used)


def _row_has(space: Space, row: tuple[ParamValue, ...], held: Mapping[str, ParamValue]) -> bool:
    return all(value == held[name] for name, value in zip(space.names, row, strict=True) if name in held)


def _shown(state: CampaignState) -> str:
    return ", ".join(f"{name} {spelled(value)}" for name, value in state.held.items())


def _none_left(state: CampaignState) -> str:
    return f"no point of the space has {_shown(state)}, which the experiments of its batch have in common"
