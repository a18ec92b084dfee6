"""Steps that may be skipped after a fault, though something needs them: found before anything moves."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labwright.model.protocol import StepSpec
from labwright.stations.plan_reads import PlanCode, plan_of
from labwright.stations.protocol import LabProtocol


def needed_skips(protocol: LabProtocol, root: Path) -> list[str]:
    """Why steps cannot be skipped that `on_failure` lets be skipped, with file and line.

    What a plan reads through a function of its own is not seen here; such a step fails when it is carried out.

    Args:
        protocol: of the lab.
        root: the lab's folder.
    """
    found = []
    for step in protocol.spec.steps:
        if step.skipped_after:
            declared = declared_at(protocol, step.name, root)
            which = "" if "otherwise" in step.skipped_after else f" ({', '.join(step.skipped_after)})"
            for place, why in _reasons(protocol, step, root):
                found.append(f"{place or declared}: step {step.name}: on_failure: skip{which}: {why}")
    return found


def optional_steps(protocol: LabProtocol, root: Path) -> tuple[str, ...]:
    """Steps that a sample may go on without if a person says so: for all that can be known no other needs them.

    Unlike what an author declares, nothing is taken on trust here: a step stays needed where a plan may read what it
    has found, or a promised result may be its.

    Args:
        protocol: of the lab.
        root: the lab's folder.
    """
    steps = {step.name: step for step in protocol.spec.steps}
    code = {name: PlanCode(protocol, name) for name, step in steps.items() if step.manual is None}
    found = {name: _found(step, code) for name, step in steps.items()}
    read = {name: code[name].results if name in code else set() for name in steps}
    promised = {one.name for one in protocol.spec.results}

    def needed(step: StepSpec) -> bool:
        others = [name for name in steps if name != step.name]
        elsewhere = {key for name in others for key in found[name] or ()}
        if (promised - elsewhere) & (promised if found[step.name] is None else found[step.name] or set()):
            return True
        if any(read[name] is None or step.name in (read[name] or ()) for name in others):
            return True
        return any(_reasons(protocol, step, root))

    return tuple(step.name for step in protocol.spec.steps if not needed(step))


def _found(step: StepSpec, code: Mapping[str, PlanCode]) -> set[str] | None:
    """Names of what a step finds; None if they are not all written in its plan."""
    return {one.name for one in step.manual.readings} if step.manual is not None else code[step.name].finds


def _reasons(protocol: LabProtocol, step: StepSpec, root: Path) -> Iterator[tuple[str, str]]:
    """Why a step cannot be left out, and where that is written; empty where it is the step's own declaration."""
    if step.moves_to or step.leaves:
        yield "", "it moves the sample, and without it its location is not known; ask, abandon or quarantine"
    if step.holds:
        yield "", "its station holds something of the sample for later steps; ask, abandon or quarantine"
    if step.always:
        yield "", "it closes out, and that is always done; ask, or leave always away"
    if step.repeat is not None:
        yield "", "without it the loop that it ends has no end; ask, abandon or quarantine"
    for other in protocol.spec.steps:
        if other.when is not None and other.when.step == step.name:
            yield declared_at(protocol, other.name, root), f"step {other.name} is done only when {other.when}"
        if other is not step and other.repeat is not None and other.repeat.until.step == step.name:
            yield declared_at(protocol, other.name, root), f"step {other.name} repeats until {other.repeat.until}"
        if other is not step:
            for place in _reads(protocol, other.name, step.name, root):
                yield place, f"step {other.name} reads what it has found"
    elsewhere = {key for other in protocol.spec.steps if other is not step for key, _ in _finds(protocol, other, root)}
    promised = {one.name for one in protocol.spec.results} - elsewhere
    for key, place in _finds(protocol, step, root):
        if key in promised:
            yield place, f"the protocol promises {key}, and no other step finds it"


def _reads(protocol: LabProtocol, reader: str, step: str, root: Path) -> Iterator[str]:
    """Where a step's plan reads what another has found, by the other's name."""
    for node, place in _nodes(protocol, reader, root):
        named: Any = None
        match node:
            case ast.Call(func=ast.Attribute(attr="result"), args=[ast.Constant(value=named), *_]):
                pass
            case ast.Subscript(value=ast.Attribute(attr="results"), slice=ast.Constant(value=named)):
                pass
        if named == step:
            yield place


def _finds(protocol: LabProtocol, step: StepSpec, root: Path) -> Iterator[tuple[str, str]]:
    """Names of what a step's plan returns, as far as they are written there, and where; or of what a person reads."""
    if step.manual is not None:
        yield from ((one.name, declared_at(protocol, step.name, root)) for one in step.manual.readings)
    for node, place in _nodes(protocol, step.name, root):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, place


def _nodes(protocol: LabProtocol, step: str, root: Path) -> Iterator[tuple[ast.AST, str]]:
    """All that the plan of a step says, each with its file and line; a person's step has none."""
    if next((one.manual for one in protocol.steps if one.name == step), None) is not None:
        return
    plan = plan_of(protocol, step)
    lines, first = inspect.getsourcelines(plan)
    file = _shown(inspect.getsourcefile(plan), root)
    for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
        yield node, f"{file}:{first - 1 + getattr(node, 'lineno', 1)}"


def declared_at(protocol: LabProtocol, step: str, root: Path) -> str:
    """Where a step is declared: the first place in the class that names it, or else the class."""
    lines, first = inspect.getsourcelines(type(protocol))
    file = _shown(inspect.getsourcefile(type(protocol)), root)
    for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
        if isinstance(node, ast.Constant) and node.value == step:
            return f"{file}:{first - 1 + node.lineno}"
    return f"{file}:{first}"


def _shown(file: str | None, root: Path) -> str:
    path = Path(file or "")
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
