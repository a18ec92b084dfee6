"""Decides what a lab does next, and does it: the core of a lab, and the controller that owns it."""

from labwright.engine.campaign import (
    Campaign,
    campaign_file,
    campaign_files,
    load_campaign,
    resume_campaign,
)
from labwright.engine.controller import UNANSWERED, LabController, Parts
from labwright.engine.core import CampaignCore
from labwright.engine.lab import LabCore
from labwright.engine.oracle import validate_state
from labwright.engine.recovery import close_unfinished, rebuilt, replayed, started, unfinished
from labwright.engine.running import CampaignEnd, CampaignRun
from labwright.stations.catalogue import make_protocol, protocol_classes

__all__ = [
    "UNANSWERED",
    "Campaign",
    "CampaignCore",
    "CampaignEnd",
    "CampaignRun",
    "LabController",
    "LabCore",
    "Parts",
    "campaign_file",
    "campaign_files",
    "close_unfinished",
    "load_campaign",
    "make_protocol",
    "protocol_classes",
    "rebuilt",
    "replayed",
    "resume_campaign",
    "started",
    "unfinished",
    "validate_state",
]
