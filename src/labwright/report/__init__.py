"""Pictures and reports: the same drawings for the report, a console and a notebook."""

from labwright.report.card import Card, Cards
from labwright.report.cards import cards_of, sweep_cards
from labwright.report.page import html
from labwright.report.pictures import (
    BOOKED,
    Bar,
    best_so_far,
    differences,
    lab_timeline,
    nyquist,
    parity,
    surrogate_slice,
    timeline,
)
from labwright.report.record import CampaignRecord, newest, read_record
from labwright.report.tables import experiment_rows

__all__ = [
    "BOOKED",
    "Bar",
    "CampaignRecord",
    "Card",
    "Cards",
    "best_so_far",
    "cards_of",
    "differences",
    "experiment_rows",
    "html",
    "lab_timeline",
    "newest",
    "nyquist",
    "parity",
    "read_record",
    "surrogate_slice",
    "sweep_cards",
    "timeline",
]
