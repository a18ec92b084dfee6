"""Campaign core, and the loop that drives it."""

from labwright.engine.campaign import (
    Campaign,
    campaign_file,
    campaign_files,
    load_campaign,
    make_protocol,
    protocol_classes,
)
from labwright.engine.core import CampaignCore
from labwright.engine.driver import CampaignEnd, CampaignRun

__all__ = [
    "Campaign",
    "CampaignCore",
    "CampaignEnd",
    "CampaignRun",
    "campaign_file",
    "campaign_files",
    "load_campaign",
    "make_protocol",
    "protocol_classes",
]
