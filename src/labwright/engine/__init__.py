"""Campaign core, and the loop that drives it."""

from labwright.engine.campaign import (
    Campaign,
    campaign_file,
    campaign_files,
    load_campaign,
    make_protocol,
    protocol_classes,
    resume_campaign,
)
from labwright.engine.core import CampaignCore
from labwright.engine.driver import UNANSWERED, CampaignEnd, CampaignRun
from labwright.engine.lab import LabCore
from labwright.engine.oracle import validate_state
from labwright.engine.recovery import close_unfinished, rebuilt, replayed, started, unfinished

__all__ = [
    "UNANSWERED",
    "Campaign",
    "CampaignCore",
    "CampaignEnd",
    "CampaignRun",
    "LabCore",
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
