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

from labwright.answers.campaigns import Campaign, CampaignDetail, Experiment
from labwright.answers.desk import (
    Cost,
    Finding,
    KeptLink,
    ListedRequest,
    Look,
    Notice,
    Quote,
    RequestEvent,
    Review,
    Webhook,
)
from labwright.answers.lab import Command, Me
from labwright.answers.material import Sample
from labwright.answers.offers import Amount, Capabilities
from labwright.answers.people import KeptKey
from labwright.answers.questions import Question
from labwright.answers.remarks import Deviation, Note
from labwright.client.admin_answers import DataClass, Invitation, NewKey, NewWebhook, Quota
from labwright.client.answers import Event, KeptRequest, Link, Person, Project
from labwright.client.asking import Request
from labwright.client.bundles import BundleError
from labwright.client.client import Client
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
    "CampaignDetail",
    "Capabilities",
    "Client",
    "Command",
    "ConflictError",
    "Cost",
    "DataClass",
    "Deviation",
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
    "Note",
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
