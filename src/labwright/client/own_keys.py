"""Keys at a service: one's own; and for admins, the first of a person or a program."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

from labwright.answers.people import KeptKey
from labwright.client.admin_answers import NewKey
from labwright.client.errors import LostSecretError
from labwright.client.wire import Wire


class Keys:
    """Keys.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self) -> Sequence[KeptKey]:
        """Keys of the person or program that asks, oldest first; without what opens something."""
        return [KeptKey.model_validate(one) for one in self._wire.get("/v1/keys")["items"]]

    def make(
        self, name: str, *, owner: str = "", only: Collection[str] | None = None, days: int | None = None
    ) -> NewKey:
        """Make a key; its secret is in this answer, and is kept nowhere.

        Args:
            name: what it is for, in words.
            owner: whose it is to be; for admins. The one who asks if empty.
            only: the actions that it allows; all that its owner may do if None.
            days: after which it opens nothing; as the service has it (90) if None.

        Raises:
            ForbiddenError: the key does not make this one.
            LostSecretError: it was made, and the answer that had its secret was lost.
        """
        given = {"owner": owner or None, "only": None if only is None else [*only], "days": days}
        body: dict[str, Any] = {"name": name, **{key: value for key, value in given.items() if value is not None}}
        made = self._wire.send("POST", "/v1/keys", body)
        if "secret" not in made:
            raise LostSecretError(f"key {made['id']}", f"Revoke it with: labwright key revoke {made['id']}")
        return NewKey.model_validate(made)

    def revoke(self, key: str) -> None:
        """Let a key open nothing from now on; of others, for admins.

        Args:
            key: its id.

        Raises:
            NotFoundError: there is none.
            InvalidError: it was revoked before.
        """
        self._wire.send("DELETE", f"/v1/keys/{quote(key, safe='')}")
