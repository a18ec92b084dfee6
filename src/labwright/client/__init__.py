"""Programs talk to a lab that is served over HTTP: typed, with safe retries, without the lab's own code.

::

    from labwright.client import Client

    with Client("https://lab.example.org:8765") as lab:      # the key: LABWRIGHT_KEY, or key_file=
        campaign = lab.campaigns.submit("first", budget=8)
        for event in lab.campaigns.follow(campaign):
            print(event.kind)
        table = lab.experiments(campaign)                      # a pandas.DataFrame
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
from labwright.client.client import Client
from labwright.client.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProblemError,
    ServiceError,
    StaleError,
    UnreachableServiceError,
)

__all__ = [
    "Campaign",
    "Client",
    "Command",
    "ConflictError",
    "Event",
    "Experiment",
    "ForbiddenError",
    "InvalidError",
    "Me",
    "NotFoundError",
    "Person",
    "ProblemError",
    "Project",
    "Question",
    "Sample",
    "ServiceError",
    "StaleError",
    "UnreachableServiceError",
]
