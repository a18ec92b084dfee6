"""What the plans of a protocol read of parameters and of what other steps have found, as far as their code says it.

A plan is read together with all functions of the lab that it names. Where something is done with parameters or results
that cannot be followed, nothing is known, and who asks must expect the worst.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cached_property
from string import Formatter
from typing import Any

from labwright.stations.protocol import LabProtocol

OURS = "labwright"
"""The package whose functions read no parameter and no result by themselves."""


def parameters_read(protocol: LabProtocol) -> dict[str, tuple[str, ...]]:
    """Names of the parameters that each step reads, by step; steps of which it is not known are left out."""
    found = {}
    names = [one.name for one in protocol.spec.parameters]
    for step in protocol.spec.steps:
        if step.manual is not None:
            read: set[str] | None = {name for _, name, _, _ in Formatter().parse(step.manual.task) if name}
        else:
            read = PlanCode(protocol, step.name).parameters
        if read is not None:
            found[step.name] = tuple(name for name in names if name in read)
    return found


def plan_of(protocol: LabProtocol, step: str) -> Callable[..., Any]:
    """The function of a step's plan: of the protocol's class, or given to this protocol alone."""
    plan = getattr(protocol, step)
    return inspect.unwrap(getattr(plan, "__func__", plan))


class PlanCode:
    """The code of a step's plan, with all functions of the lab that it names.

    Args:
        protocol: of the lab.
        step: that a plan carries out.
    """

    def __init__(self, protocol: LabProtocol, step: str) -> None:
        self._owner = type(protocol)
        self._trees: dict[Any, ast.FunctionDef] = {}
        self._known = True
        self._read: dict[tuple[Any, str], None] = {}
        plan = plan_of(protocol, step)
        self._contexts = {"context", "order", *[*inspect.signature(getattr(protocol, step)).parameters][:1]}
        todo = [plan]
        while todo:
            function = todo.pop()
            if function in self._trees:
                continue
            if (tree := _tree(function)) is None:
                self._known = False
                continue
            self._trees[function] = tree
            todo += self._named_in(function, tree)
        self.plan = self._trees.get(plan)

    @cached_property
    def parameters(self) -> set[str] | None:
        """Names that it reads parameters by; None if it cannot be known."""
        found: set[str] = set()
        if not self._known:
            return None
        for function, tree in self._trees.items():
            if (read := self._parameters(function, tree, "")) is None:
                return None
            found |= read
        return found

    @cached_property
    def results(self) -> set[str] | None:
        """Steps whose results it reads; None if it cannot be known."""
        found: set[str] = set()
        if not self._known:
            return None
        for tree in self._trees.values():
            above = _parents(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and node.attr in ("result", "results"):
                    named = _key(node, above, called=node.attr == "result")
                    if named is None:
                        return None
                    found.add(named)
        return found

    @cached_property
    def finds(self) -> set[str] | None:
        """Names of what it returns; None if they are not all written there."""
        if self.plan is None:
            return None
        found: set[str] = set()
        for node in _own(self.plan):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            if not isinstance(node.value, ast.Dict):
                return None
            for key in node.value.keys:
                if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                    return None
                found.add(key.value)
        return found

    def _named_in(self, function: Any, tree: ast.FunctionDef) -> Iterator[Any]:
        """Functions of the lab that a function names."""
        for node in ast.walk(tree):
            target = self._target(function, node)
            if target is not None and self._of_the_lab(target):
                yield target
            if isinstance(node, ast.Name) and node.id in ("super", "getattr", "vars"):
                self._known = False
            if not isinstance(node, ast.Call):
                continue
            if any(map(self._is_context, [*node.args, *(one.value for one in node.keywords)])):
                called = self._target(function, node.func)
                self._known = self._known and called is not None and (self._of_the_lab(called) or _is_ours(called))

    def _is_context(self, node: ast.AST) -> bool:
        """Whether it is a step's context, or its order: who has that can read everything."""
        match node:
            case ast.Name(id=name):
                return name in self._contexts
            case ast.Attribute(attr="order"):
                return True
        return False

    def _of_the_lab(self, target: Any) -> bool:
        """Whether it is in the packages of the lab's own code, whose functions are followed."""
        return inspect.isfunction(target) and _package(target) in {"devices", "protocols", _package(self._owner)} - {
            OURS
        }

    def _target(self, function: Any, node: ast.AST) -> Any:
        """The function that is named; None if it is none that is known."""
        known, target = getattr(function, "__globals__", {}), None
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                target = inspect.getattr_static(self._owner, name, None)
                if isinstance(target, staticmethod | classmethod):
                    target = target.__func__
                elif isinstance(target, property):
                    target = target.fget
                elif isinstance(target, cached_property):
                    target = target.func
            case ast.Attribute(value=ast.Name(id=module), attr=name) if inspect.ismodule(known.get(module)):
                target = getattr(known[module], name, None)
            case ast.Name(id=name):
                target = known.get(name)
        return inspect.unwrap(target) if callable(target) else None

    def _parameters(self, function: Any, tree: ast.FunctionDef, mapping: str) -> set[str] | None:
        """Names by which a function reads parameters, of which it has all under a name; None if it cannot be known."""
        if (function, mapping) in self._read:
            return set()
        self._read[function, mapping] = None
        names, found, above = {mapping} - {""}, set[str](), _parents(tree)
        for node in ast.walk(tree):  # what they are called here, before it is looked at what is done with them
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_mapping(value, names):
                    names.add(name)
        for node in ast.walk(tree):
            if not _is_mapping(node, names) or isinstance(getattr(node, "ctx", None), ast.Store):
                continue
            parent = above.get(node)
            if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
                continue
            if (key := _key(node, above, called=False)) is not None:
                found.add(key)
                continue
            read = self._passed_on(function, node, parent)
            if read is None:
                return None
            found |= read
        return found

    def _passed_on(self, function: Any, node: ast.AST, parent: ast.AST | None) -> set[str] | None:
        """What the function reads that is called with all parameters; None if it cannot be known."""
        if not isinstance(parent, ast.Call) or node not in parent.args:
            return None
        target = self._target(function, parent.func)
        tree = self._trees.get(target)
        if tree is None:
            return None
        arguments = [one.arg for one in tree.args.args]
        index = parent.args.index(node) + (arguments[:1] == ["self"])
        return self._parameters(target, tree, arguments[index]) if index < len(arguments) else None


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | None:
    """A function as it is written; None if that is nowhere."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return tree if isinstance(tree, ast.FunctionDef) else None


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def _is_ours(target: Any) -> bool:
    return _package(target) == OURS


def _is_mapping(node: ast.AST, names: set[str]) -> bool:
    """Whether it is all parameters of an experiment: an order's, or what they are called in a function."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr="parameters"):
            return False
        case ast.Attribute(attr="parameters"):
            return True
        case ast.Name(id=name):
            return name in names
    return False


def _key(node: ast.AST, above: dict[ast.AST, ast.AST], *, called: bool) -> str | None:
    """The name by which something is looked up in a mapping, or is asked for; None if it is not written there."""
    parent = above.get(node)
    key: Any = None
    match parent:
        case ast.Call(func=func, args=[ast.Constant(value=key), *_]) if called and func is node:
            pass
        case ast.Subscript(value=value, slice=ast.Constant(value=key)) if not called and value is node:
            pass
        case ast.Attribute(attr="get") if not called:
            call = above.get(parent)
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                key = call.args[0].value
    return key if isinstance(key, str) else None


def _parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _own(tree: ast.FunctionDef) -> Iterator[ast.AST]:
    """What a function says, without the functions within it."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)
