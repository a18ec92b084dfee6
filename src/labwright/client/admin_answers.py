"""The same on keys, invitations, webhooks, quotas and classes of data: each secret is there, and is not printed."""

from __future__ import annotations

from pydantic import Field

from labwright.answers.desk import MadeWebhook
from labwright.answers.offers import ClassSet, ProjectQuota
from labwright.answers.people import Invited, MadeKey


class NewKey(MadeKey):
    """A key that was just made.

    Attributes:
        secret: the key itself; no service says it once more.
    """

    secret: str = Field(repr=False)


class Invitation(Invited):
    """Lets a person set a password.

    Attributes:
        invitation: its secret; no service says it once more.
    """

    invitation: str = Field(repr=False)


class NewWebhook(MadeWebhook):
    """A webhook that was just made.

    Attributes:
        secret: signs what is sent; no service says it once more.
    """

    secret: str = Field(repr=False)


class Quota(ProjectQuota):
    """What a project may take, has reserved, and was charged, in one version.

    Attributes:
        version: of the answer; a change may name it, and is refused if the quota has changed since.
    """

    version: str = ""


class DataClass(ClassSet):
    """Who may see the data of a request or a campaign, apart from its project, in one version.

    Attributes:
        version: of the answer; a change may name it, and is refused if the class has changed since.
    """

    version: str = ""
