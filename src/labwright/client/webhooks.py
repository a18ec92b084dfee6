"""Webhooks at a service: where what happens to requests is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import quote

from labwright.answers.desk import Notice, Webhook
from labwright.client.admin_answers import NewWebhook
from labwright.client.errors import LostSecretError
from labwright.client.wire import Wire


class Webhooks:
    """Webhooks of the person or program that asks.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self) -> Sequence[Webhook]:
        """Webhooks, oldest first, and whether they are called."""
        return [Webhook.model_validate(one) for one in self._wire.get("/v1/webhooks")["items"]]

    def add(self, url: str, *, project: str = "", events: Collection[str] = ()) -> NewWebhook:
        """Have what happens to requests from now on sent somewhere; the secret that signs it is in this answer alone.

        Args:
            url: that is called.
            project: only requests of this one; all that may be seen if it is empty.
            events: only these; all if there are none.

        Raises:
            ConflictError: the address is none that may be called.
            LostSecretError: it was made, and the answer that had its secret was lost.
        """
        made = self._wire.send("POST", "/v1/webhooks", {"url": url, "project": project, "events": [*events]})
        if "secret" not in made:
            raise LostSecretError(f"webhook {made['id']}", f"Remove it with: labwright webhook remove {made['id']}")
        return NewWebhook.model_validate(made)

    def remove(self, webhook: str) -> None:
        """Call a webhook no more; what was to be sent to it is dropped.

        Args:
            webhook: its id.
        """
        self._wire.send("DELETE", _path(webhook))

    def enable(self, webhook: str) -> None:
        """Call a webhook again that was given up, with what happens from now on.

        Args:
            webhook: its id.
        """
        self._wire.send("POST", f"{_path(webhook)}/enable")

    def notices(self, webhook: str, *, limit: int = 50) -> Sequence[Notice]:
        """What was sent to a webhook, or is to be, the newest first.

        Args:
            webhook: its id.
            limit: how many at most.
        """
        found = self._wire.get(f"{_path(webhook)}/notices", limit=limit)["items"]
        return [Notice.model_validate(one) for one in found]


def _path(webhook: str) -> str:
    return f"/v1/webhooks/{quote(webhook, safe='')}"
