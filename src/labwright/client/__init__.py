"""Programs talk to a lab that is served over HTTP: typed, with safe retries, without the lab's own code.

::

    from labwright.client import Client

    with Client("https://lab.example.org:8765") as lab:      # the key: LABWRIGHT_KEY, or key_file=
        campaign = lab.campaigns.submit("first", budget=8)
        for event in lab.campaigns.follow(campaign):
            print(event.kind)
        table = lab.experiments(campaign)                      # a pandas.DataFrame

What is to be asked of a request desk is written as a `Request`, and goes through ``lab.requests``.
"""

from labwright.client.admin_answers import (
    Amount,
    DataClass,
    Invitation,
    KeptKey,
    KeptLink,
    NewKey,
    NewWebhook,
    Notice,
    Quota,
    Webhook,
)
from labwright.client.answers import (
    Campaign,
    Command,
    Event,
    Experiment,
    Me,
    Person,
    Project,
    Question,
    Sample,
)
from labwright.client.asking import Request
from labwright.client.bundles import BundleError
from labwright.client.client import Client
from labwright.client.desk_answers import (
    Capabilities,
    Cost,
    Finding,
    KeptRequest,
    Link,
    ListedRequest,
    Look,
    Quote,
    RequestEvent,
    Review,
)
from labwright.client.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LostSecretError,
    NotFoundError,
    NotReachedError,
    ProblemError,
    ServiceError,
    StaleError,
    UnreachableServiceError,
)

__all__ = [
    "Amount",
    "BundleError",
    "Campaign",
    "Capabilities",
    "Client",
    "Command",
    "ConflictError",
    "Cost",
    "DataClass",
    "Event",
    "Experiment",
    "Finding",
    "ForbiddenError",
    "InvalidError",
    "Invitation",
    "KeptKey",
    "KeptLink",
    "KeptRequest",
    "Link",
    "ListedRequest",
    "Look",
    "LostSecretError",
    "Me",
    "NewKey",
    "NewWebhook",
    "NotFoundError",
    "NotReachedError",
    "Notice",
    "Person",
    "ProblemError",
    "Project",
    "Question",
    "Quota",
    "Quote",
    "Request",
    "RequestEvent",
    "Review",
    "Sample",
    "ServiceError",
    "StaleError",
    "UnreachableServiceError",
    "Webhook",
]
