"""Bluesky's check of start documents, once for each shape.

Every start document is held against a JSON schema, key by key: a third of the time of a short run. What the
schema asks depends on names and types alone, so a document whose names and types were right once is right.
"""

from __future__ import annotations

from typing import Any

import event_model
from event_model import DocumentNames

MOST = 1000
"""Shapes remembered; a lab has a few for each step of its protocols."""


class _OnceAShape:
    """A validator that remembers which shapes it has found right."""

    def __init__(self, validator: Any) -> None:
        self._validator = validator
        self._right: set[Any] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._validator, name)

    def validate(self, document: Any) -> None:
        """Check a document.

        Raises:
            jsonschema.ValidationError: it does not keep to the schema.
        """
        shape = _shape(document)
        if shape in self._right:
            return
        self._validator.validate(document)
        if len(self._right) < MOST:
            self._right.add(shape)


def check_once_a_shape() -> None:
    """Let this process check start documents so; harmless if said again."""
    validators = event_model.schema_validators
    known = validators[DocumentNames.start]
    if not isinstance(known, _OnceAShape):
        validators[DocumentNames.start] = _OnceAShape(known)


def _shape(value: Any) -> Any:
    """Names and types, without values."""
    if isinstance(value, dict):
        return tuple((key, _shape(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return (list, *dict.fromkeys(_shape(one) for one in value))
    return type(value)
