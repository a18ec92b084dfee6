"""Who may see the data of requests and campaigns at a service."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any
from urllib.parse import quote

from labwright.client.admin_answers import DataClass
from labwright.client.wire import Wire, versioned

REQUEST = re.compile(r"R[0-9]+")
"""Ids of requests; anything else names a campaign."""


class DataClasses:
    """Classes of data, embargoes, and grants by name.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def show(self, name: str) -> DataClass:
        """Who may see the data of a request or a campaign, apart from its project.

        Args:
            name: id of the one or the other.
        """
        return DataClass.model_validate(versioned(self._wire.request("GET", _path(name))))

    def set(
        self,
        name: str,
        data_class: str,
        because: str,
        *,
        groups: Collection[str] = (),
        embargo_until: datetime | None = None,
        fiscal_years: int | None = None,
        export_control: str = "unreviewed",
        licence: str = "",
        version: str | None = None,
    ) -> DataClass:
        """Say who may see data, all of it instead of what was said before; the class since.

        Args:
            name: id of a request or a campaign.
            data_class: ``open``, ``shared_closed`` or ``closed``.
            because: why.
            groups: that they are shared with, if it is ``shared_closed``.
            embargo_until: until when they are closed whatever the class is.
            fiscal_years: the same until 31 March, so many fiscal years after this one, as ARIM counts.
            export_control: ``unreviewed``, ``not_controlled`` or ``controlled``.
            licence: under which others may use them.
            version: of the class that was read; the change is refused if it has changed since.

        Raises:
            ForbiddenError: it lets more people see them, and the key is not a data steward's.
            StaleError: it has changed since it was read.
        """
        body: dict[str, Any] = {"data_class": data_class, "groups": [*groups], "because": because}
        body |= {"export_control": export_control, "licence": licence}
        if embargo_until is not None:
            body["embargo_until"] = embargo_until.isoformat()
        if fiscal_years is not None:
            body["embargo"] = {"years": fiscal_years}
        answer = self._wire.change("PUT", _path(name), body, version=version)
        return DataClass.model_validate(versioned(answer))

    def grant(self, name: str, who: str, because: str, *, until: datetime | None = None) -> DataClass:
        """Let one person see a request or a campaign, with its data; the class since.

        Args:
            name: id of a request or a campaign.
            who: id of the person.
            because: why.
            until: when it ends; never if None.

        Raises:
            ForbiddenError: the key is not a data steward's.
        """
        body = {"because": because, **({} if until is None else {"until": until.isoformat()})}
        return DataClass.model_validate(self._wire.send("PUT", _grant(name, who), body))

    def take_back(self, name: str, who: str) -> DataClass:
        """Take a grant back; the class since.

        Args:
            name: id of a request or a campaign.
            who: id of the person.

        Raises:
            ForbiddenError: the key is not a data steward's.
        """
        return DataClass.model_validate(self._wire.send("DELETE", _grant(name, who)))


def is_request(name: str) -> bool:
    """Whether a name is a request's, as ``R17``; a campaign's otherwise."""
    return REQUEST.fullmatch(name) is not None


def _thing(name: str) -> str:
    return f"/v1/{'requests' if is_request(name) else 'campaigns'}/{quote(name, safe='')}"


def _path(name: str) -> str:
    return f"{_thing(name)}/data-class"


def _grant(name: str, who: str) -> str:
    return f"{_thing(name)}/grants/{quote(who, safe='')}"
