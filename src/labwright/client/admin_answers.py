"""Answers on keys, invitations, webhooks, quotas, links and classes of data, typed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from labwright.client.answers import Answered


class KeptKey(Answered):
    """A key as the service keeps it: without what opens something.

    Attributes:
        id: by which it is revoked.
        name: what it is for, in words.
        only: actions that it allows; None if all that its owner may do.
        created_s: wall time.
        expires_s: wall time from which on it opens nothing; None if it does not expire.
        revoked_s: wall time since when it opens nothing; None if it was not revoked.
        used_s: wall time at which it was used last, to the minute; None if it was not.
    """

    id: str
    name: str = ""
    only: list[str] | None = None
    created_s: float = 0.0
    expires_s: float | None = None
    revoked_s: float | None = None
    used_s: float | None = None


class NewKey(Answered):
    """A key that was just made.

    Attributes:
        id: by which it is listed and revoked.
        expires_s: wall time from which on it opens nothing.
        secret: the key itself; no service says it once more.
    """

    id: str
    expires_s: float
    secret: str = Field(repr=False)


class Invitation(Answered):
    """Lets a person set a password.

    Attributes:
        id: of the person.
        expires_s: wall time until which it holds.
        invitation: its secret; no service says it once more.
    """

    id: str
    expires_s: float
    invitation: str = Field(repr=False)


class Webhook(Answered):
    """Where what happens to requests is sent.

    Attributes:
        id: of it.
        url: that is called.
        project: only requests of this one; all that its owner may see if it is empty.
        events: only these; all if there are none.
        created_s: wall time.
        called: whether it is; not once it was given up.
        failures: calls in a row that were not answered as they should be.
        why: the last of them failed.
    """

    id: str
    url: str
    project: str = ""
    events: list[str] = []
    created_s: float = 0.0
    called: bool = True
    failures: int = 0
    why: str = ""


class NewWebhook(Webhook):
    """A webhook that was just made.

    Attributes:
        secret: signs what is sent; no service says it once more.
    """

    secret: str = Field(repr=False)


class Notice(Answered):
    """What was sent to a webhook, or is to be.

    Attributes:
        id: that it has with every try (``webhook-id``).
        event: id of what has happened.
        body: what is sent.
        made_s: wall time.
        due_s: wall time at which it is tried next; None if it was sent or given up.
        tries: how often it was tried.
        sent_s: wall time at which it has arrived; None if it has not.
        error: why it has not, the last time.
    """

    id: str
    event: int = 0
    body: dict[str, Any] = {}
    made_s: float = 0.0
    due_s: float | None = None
    tries: int = 0
    sent_s: float | None = None
    error: str = ""


class KeptLink(Answered):
    """A link to what was found, without what is in it.

    Attributes:
        made_by: whose right to export it rests on.
        made_s: wall time.
        expires_s: wall time until which it works.
        fetched: how often it was followed.
        revoked_s: wall time at which it was withdrawn; None if it was not.
        over: whether it leads to nothing any more.
    """

    made_by: str
    made_s: float = 0.0
    expires_s: float = 0.0
    fetched: int = 0
    revoked_s: float | None = None
    over: bool = False


class Amount(Answered):
    """What a project may take of one kind.

    Attributes:
        amount: in all; None without a limit.
        reserved: for requests that are approved.
        charged: for those that are over.
    """

    amount: float | None = None
    reserved: float = 0.0
    charged: float = 0.0


class Quota(Answered):
    """What a project may take, has reserved, and was charged.

    Attributes:
        experiments: how many.
        station_minutes: minutes of stations.
        cost: in the desk's currency.
        version: of the answer; a change may name it, and is refused if the quota has changed since.
    """

    experiments: Amount = Amount()
    station_minutes: Amount = Amount()
    cost: Amount = Amount()
    version: str = ""


class DataClass(Answered):
    """Who may see the data of a request or a campaign, apart from its project.

    Attributes:
        request: whose data they are; empty if no request has led to them.
        campaign: whose data they are; empty if a request has led to it.
        data_class: once nothing is kept back any more.
        effective: the class now.
        groups: that they are shared with.
        embargo_until_s: wall time until which they are closed; None if they are not kept back.
        export_control: as it was found to be.
        licence: under which others may use them.
        granted: ids of those to whom they were granted.
        exported_before: what was taken away before, where the class has become stricter.
        links_withdrawn: how many links to them have ended with this change.
        version: of the answer; a change may name it, and is refused if the class has changed since.
    """

    request: str = ""
    campaign: str = ""
    data_class: str
    effective: str = ""
    groups: list[str] = []
    embargo_until_s: float | None = None
    export_control: str = "unreviewed"
    licence: str = ""
    granted: list[str] = []
    exported_before: list[dict[str, Any]] = []
    links_withdrawn: int = 0
    version: str = ""
