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
    NotFoundError,
    NotReachedError,
    ProblemError,
    ServiceError,
    StaleError,
    UnreachableServiceError,
)

__all__ = [
    "BundleError",
    "Campaign",
    "Capabilities",
    "Client",
    "Command",
    "ConflictError",
    "Cost",
    "Event",
    "Experiment",
    "Finding",
    "ForbiddenError",
    "InvalidError",
    "KeptRequest",
    "Link",
    "ListedRequest",
    "Look",
    "Me",
    "NotFoundError",
    "NotReachedError",
    "Person",
    "ProblemError",
    "Project",
    "Question",
    "Quote",
    "Request",
    "RequestEvent",
    "Review",
    "Sample",
    "ServiceError",
    "StaleError",
    "UnreachableServiceError",
]
