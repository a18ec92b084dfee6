"""The search space of a campaign: parameters with bounds and units, and what is known of their limits beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from labwright.model.base import FrozenModel
from labwright.model.constraints import (
    Between,
    Choose,
    Constraint,
    Forbidden,
    LinearEQ,
    LinearLE,
    Mixture,
)
from labwright.model.errors import OutOfRangeError, unknown
from labwright.model.parameters import (
    ROUNDING,
    Categorical,
    Flag,
    Integer,
    Ordinal,
    Parameter,
    Params,
    ParamValue,
    Real,
    flag_level,
    repeated,
)
from labwright.model.pool import Pool
from labwright.model.references import CrossReferenceError, Problem

__all__ = [
    "Between",
    "Categorical",
    "Choose",
    "Constraint",
    "Flag",
    "Forbidden",
    "Integer",
    "LinearEQ",
    "LinearLE",
    "Mixture",
    "Ordinal",
    "ParamValue",
    "Parameter",
    "Params",
    "Pool",
    "Real",
    "Space",
]

_SHOWN = 5  # wrong rows of a pool that are listed; a file with the wrong unit has them all wrong


class Space(FrozenModel):
    """Parameters and the limits between them.

    Args:
        parameters: what is chosen, in the order of all positions in the unit cube.
        constraints: what every choice keeps.
        pool: if given, all there is to choose from.

    Raises:
        pydantic.ValidationError: inverted bounds, a name twice, a constraint on a parameter that is not there or of the
            wrong kind, constraints that nothing in the space keeps together, a candidate that breaks them.
    """

    parameters: tuple[Parameter, ...] = Field(min_length=1)
    constraints: tuple[Constraint, ...] = ()
    pool: Pool | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if twice := repeated(self.names):
            raise ValueError(f"parameters named twice: {', '.join(twice)}")
        known = {one.name: one for one in self.parameters}
        problems: list[Problem] = [
            (("constraints", str(place)), f"constraint: {words}")
            for place, limit in enumerate(self.constraints)
            for words in _misfits(limit, known)
        ]
        if not problems:
            problems = list(_hopeless(self.constraints, known))
        if not problems and self.pool is not None:
            problems = [(("pool",), words) for words in self._bad_rows(self.pool)]
        if problems:
            raise CrossReferenceError(problems)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in their declared order."""
        return tuple(parameter.name for parameter in self.parameters)

    def violations(self, params: Mapping[str, ParamValue]) -> list[str]:
        """Everything that is wrong with `params`, one sentence each; empty if they may be tried."""
        flags = {one.name for one in self.parameters if isinstance(one, Flag)}
        params = {name: flag_level(value) if name in flags else value for name, value in params.items()}
        found = self._broken(params)
        if not found and self.pool is not None and (words := self.pool.violation(self.parameters, params)):
            found.append(words)
        return found

    def check(self, params: Mapping[str, ParamValue]) -> None:
        """Refuse parameters outside the space.

        Raises:
            OutOfRangeError: with every violation, not just the first.
        """
        if found := self.violations(params):
            raise OutOfRangeError(
                "outside the search space; change the parameters or the space:\n  " + "\n  ".join(found)
            )

    def to_unit(self, params: Mapping[str, ParamValue]) -> list[float]:
        """Position in the unit cube, one coordinate per parameter; weighed values may fall slightly outside it."""
        return [parameter.to_unit(params[parameter.name]) for parameter in self.parameters]

    def from_unit(self, position: Sequence[float]) -> Params:
        """The parameters at a position in the unit cube; neither constraints nor the pool are applied."""
        pairs = zip(self.parameters, position, strict=True)
        return {parameter.name: parameter.from_unit(coordinate) for parameter, coordinate in pairs}

    def _broken(self, params: Mapping[str, ParamValue]) -> list[str]:
        """What is wrong with `params` apart from the pool."""
        found = [unknown("parameter", name, self.names) for name in params if name not in self.names]
        for parameter in self.parameters:
            if parameter.name in params:
                found += parameter.violations(params[parameter.name])
            else:
                found.append(f"{parameter.name} is missing")
        if found:
            return found  # a constraint is only meaningful on values that are numbers and all there
        known = {one.name: one for one in self.parameters}
        return [
            words
            for limit in self.constraints
            if (words := limit.violation(params, known) if isinstance(limit, Forbidden) else limit.violation(params))
        ]

    def _bad_rows(self, pool: Pool) -> list[str]:
        found: list[str] = []
        seen: dict[tuple[ParamValue, ...], int] = {}
        for place, row in enumerate(pool.rows):
            if len(row) != len(self.parameters):
                found.append(f"{pool.label(place)} has {len(row)} values for {len(self.parameters)} parameters")
            elif row in seen:
                found.append(f"{pool.label(place)} is the same as {pool.label(seen[row])}")
            else:
                seen[row] = place
                if broken := self._broken(pool.params(self.parameters, place)):
                    found.append(f"{pool.label(place)}: {'; '.join(broken)}")
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return [f"pool {pool.file}: {words}" for words in [*found[:_SHOWN], *more]]


def _misfits(limit: Constraint, known: Mapping[str, Parameter]) -> Iterator[str]:
    """What a constraint asks of parameters that they cannot give, in words."""
    if isinstance(limit, Forbidden):
        yield from _bad_conditions(limit, known)
        return
    numeric = {name: one for name, one in known.items() if not isinstance(one, Categorical)}
    if wrong := [name for name in limit.names if name not in numeric]:
        yield from (unknown("numeric parameter", name, list(numeric)) for name in wrong)
        return
    mine = [numeric[name] for name in limit.names]
    if isinstance(limit, Mixture):
        for one in mine:
            if one.low < 0:
                yield f"{limit}: a share cannot be negative, but the low of {one.name} is {one.low:g}"
        if len(units := list(dict.fromkeys(one.unit for one in mine))) > 1:
            yield f"{limit}: shares of a whole have one unit, not {', '.join(map(repr, units))}"
    if isinstance(limit, Choose):
        for one in mine:
            if one.low != 0:
                yield f"{limit}: {one.name} cannot be left out, its smallest value is {one.low:g}; set its low to 0"
            elif limit.least is not None and one.high < limit.least * (1 - ROUNDING):
                yield f"{limit}: {one.name} can be at most {one.high:g}"


def _bad_conditions(limit: Forbidden, known: Mapping[str, Parameter]) -> Iterator[str]:
    for name, condition in limit.when.items():
        if name not in known:
            yield unknown("parameter", name, list(known))
        elif isinstance(condition, Between):
            if isinstance(known[name], Categorical):
                yield f"{name} has levels and no order; list those that are meant instead of {condition}"
        else:
            for value in condition if isinstance(condition, tuple) else (condition,):
                yield from known[name].violations(value)


def _hopeless(limits: Sequence[Constraint], known: Mapping[str, Parameter]) -> Iterator[Problem]:
    """Constraints that nothing in the space keeps, each by itself, then the linear ones together."""
    bounds = {name: (one.low, one.high) for name, one in known.items() if not isinstance(one, Categorical)}
    linear = [(place, limit) for place, limit in enumerate(limits) if not isinstance(limit, Choose | Forbidden)]
    alone = True
    for place, limit in linear:
        choices = [one for one in limits if isinstance(one, Choose)]
        if words := _out_of_reach(limit, bounds, choices):
            alone = False
            yield ("constraints", str(place)), f"constraint {limit}: {words}"
    met = [name for _, limit in linear for name in limit.names]
    if alone and repeated(met) and not _together([limit for _, limit in linear], bounds):
        words = f"no point of the space keeps these together: {'; '.join(str(limit) for _, limit in linear)}"
        yield ("constraints", str(linear[-1][0])), f"constraint: {words}; loosen one"


def _out_of_reach(
    limit: LinearLE | LinearEQ | Mixture, bounds: Mapping[str, tuple[float, float]], choices: Sequence[Choose]
) -> str | None:
    ends = {name: sorted(factor * end for end in bounds[name]) for name, factor in limit.coefficients.items()}
    least, most = (sum(end[side] for end in ends.values()) for side in (0, 1))
    wanted = limit.bound if isinstance(limit, LinearLE) else limit.total
    slack = ROUNDING * max(abs(wanted), *(abs(end) for pair in ends.values() for end in pair))
    if least > wanted + slack:
        return f"no point of the space keeps it; the smallest sum is {least:g}"
    if isinstance(limit, LinearLE):
        return None
    if most < wanted - slack:
        return f"no point of the space keeps it; the largest sum is {most:g}"
    for choice in choices:
        shares = sorted((ends[name][1] for name in choice.names if name in ends), reverse=True)
        reach = most - sum(one for one in shares[choice.at_most :] if one > 0)
        if reach < wanted - slack:
            return f"no point of the space keeps it together with {choice}; the largest sum is then {reach:g}"
        inside = set(choice.names) <= set(ends) and all(limit.coefficients[name] > 0 for name in choice.names)
        if choice.least is not None and inside:
            amounts = sorted(limit.coefficients[name] * choice.least for name in choice.names)
            floor = least + sum(amounts[: choice.at_least])
            if floor > wanted + slack:
                return f"no point of the space keeps it together with {choice}; the smallest sum is then {floor:g}"
    return None


def _together(limits: Sequence[LinearLE | LinearEQ | Mixture], bounds: Mapping[str, tuple[float, float]]) -> bool:
    """Whether some values within the bounds keep all linear constraints at once; steps are not looked at."""
    from scipy.optimize import linprog

    # As shares of the ranges, each row divided by its largest coefficient: the solver's tolerances are absolute.
    names = list(bounds)
    at_most: list[tuple[list[float], float]] = []
    exactly: list[tuple[list[float], float]] = []
    for limit in limits:
        factors = [limit.coefficients.get(name, 0.0) for name in names]
        row = [factor * (high - low) for factor, (low, high) in zip(factors, bounds.values(), strict=True)]
        rest = limit.bound if isinstance(limit, LinearLE) else limit.total
        rest -= sum(factor * low for factor, (low, _) in zip(factors, bounds.values(), strict=True))
        if largest := max(map(abs, row)):
            (at_most if isinstance(limit, LinearLE) else exactly).append(
                ([one / largest for one in row], rest / largest)
            )
    found = linprog(
        [0.0] * len(names),
        A_ub=[row for row, _ in at_most] or None,
        b_ub=[bound for _, bound in at_most] or None,
        A_eq=[row for row, _ in exactly] or None,
        b_eq=[total for _, total in exactly] or None,
        bounds=[(0.0, 1.0)] * len(names),
    )
    return bool(found.status != 2)  # 2: infeasible; anything else is no proof
