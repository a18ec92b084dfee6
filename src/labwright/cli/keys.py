"""`labwright key`: keys of one's own; for admins, the first of a person or a program."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from pathlib import Path

from labwright.cli.handing_over import hand_over, say_where
from labwright.cli.output import console, emit, table
from labwright.cli.people import knowing
from labwright.cli.sites import Site, at
from labwright.cli.words import when
from labwright.client import Client, KeptKey, NewKey
from labwright.model.errors import ConfigError, unknown


def list_keys(site: Site, *, json: bool) -> None:
    """Keys of the owner of the key."""
    keys = at(site, lambda client: client.keys.list())
    if json:
        emit(*(one.model_dump(mode="json") for one in keys))
        return
    now_s = time.time()
    rows = [
        (
            one.id,
            one.name,
            "everything you may" if one.only is None else ", ".join(one.only),
            _state(one, now_s),
            "" if one.used_s is None else when(one.used_s),
        )
        for one in keys
    ]
    table("Keys", ("id", "for", "allows", "opens (UTC)", "used last (UTC)"), rows, json=False)


def make_key(
    site: Site,
    name: str,
    owner: str,
    only: Collection[str] | None,
    days: int | None,
    out: Path | None,
    *,
    json: bool,
) -> None:
    """Make a key, and print it or write it to a file.

    Raises:
        ConfigError: there is no such action, person or file to be.
        RefusedError: the key does not make this one.
    """
    _refuse_unknown(only or ())

    of = {"owner": owner} if owner else {}

    def there(client: Client) -> NewKey:
        with knowing(client, owner) if owner else contextlib.nullcontext():
            return client.keys.make(name, owner=owner, only=only or None, days=days)

    made = hand_over(
        lambda: at(site, there),
        lambda made: made.secret,
        out,
        undo=lambda made: f"Revoke the key, and make another: labwright key revoke {made.id} {site.option}",
        json=(lambda made: {"id": made.id, "name": name, **of, "expires_s": made.expires_s}) if json else None,
    )
    if json:
        return
    whose = f" of {owner}" if owner else ""
    console.print(f"Key {made.id}{whose} ({name}) opens until {when(made.expires_s)} (UTC)", style="bold")
    say_where(out)
    console.print(f"Use it with: {site.option} --key-file {out or 'FILE'}")


def revoke_key(site: Site, key: str, *, json: bool) -> None:
    """Let a key open nothing from now on.

    Raises:
        ConfigError: there is no such key, or it was revoked before.
        RefusedError: it is another's, and the key is no admin's.
    """
    at(site, lambda client: client.keys.revoke(key))
    if json:
        emit({"id": key, "revoked": True})
        return
    console.print(f"Key {key} opens nothing from now on, and no session that was started with it does", style="bold")


def _state(one: KeptKey, now_s: float) -> str:
    if one.revoked_s is not None:
        return f"nothing: revoked {when(one.revoked_s)}"
    if one.expires_s is None:
        return "for good"
    return f"{'nothing since' if one.expires_s < now_s else 'until'} {when(one.expires_s)}"


def _refuse_unknown(only: Collection[str]) -> None:
    from labwright.service.rights import ACTIONS

    for action in only:
        if action not in ACTIONS:
            raise ConfigError(unknown("action", action, ACTIONS))
