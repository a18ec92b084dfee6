"""Bluesky's check of documents, once for each shape.

Every document is held against a JSON schema, key by key: more than a third of the time of a short run. What the schema
asks depends on names and types, and on the values of a few words, so a document like one that was right is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import event_model
from event_model import DocumentNames

MOST = 1000
"""Shapes remembered; a lab has a few for each step of its protocols."""


class _OnceAShape:
    """A validator that remembers which shapes it has found right.

    Args:
        validator: Bluesky's.
        shape: what of a document the schema looks at.
    """

    def __init__(self, validator: Any, shape: Callable[[Any], Any]) -> None:
        self._validator = validator
        self._shape = shape
        self._right: set[Any] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._validator, name)

    def validate(self, document: Any) -> None:
        """Check a document.

        Raises:
            jsonschema.ValidationError: it does not keep to the schema.
        """
        shape = self._shape(document)
        if shape in self._right:
            return
        self._validator.validate(document)
        if len(self._right) < MOST:
            self._right.add(shape)


def check_once_a_shape() -> None:
    """Let this process check documents so; harmless if said again."""
    validators = event_model.schema_validators
    for kind, shape in _SHAPES.items():
        known = validators[kind]
        if not isinstance(known, _OnceAShape):
            validators[kind] = _OnceAShape(known, shape)


def _shape(value: Any) -> Any:
    """Names and types, without values."""
    if isinstance(value, dict):
        return tuple((key, _shape(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return (list, *dict.fromkeys(_shape(one) for one in value))
    return type(value)


def _of_stop(document: Mapping[str, Any]) -> Any:
    return document.get("exit_status"), _shape(document)


def _of_descriptor(document: Mapping[str, Any]) -> Any:
    # What a key is (number, array, ...) is one of a few words, which the schema knows.
    settings = [repr(one.get("data_keys")) for one in document.get("configuration", {}).values()]
    return repr(document.get("data_keys")), *settings, repr(document.get("hints")), _shape(document)


_SHAPES: dict[DocumentNames, Callable[[Any], Any]] = {
    DocumentNames.start: _shape,
    DocumentNames.descriptor: _of_descriptor,
    DocumentNames.event: _shape,
    DocumentNames.stop: _of_stop,
}
