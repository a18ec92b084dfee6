"""What would overfill a sample's container is never made: a planner's point is infeasible, a person's is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labwright.engine import Campaign, campaign_files, load_campaign
from labwright.engine.asking import proposed, reply
from labwright.engine.events import Event, Infeasible, Suggested
from labwright.lab import read_lab
from labwright.model.campaign import Suggestion
from labwright.model.errors import OutOfRangeError
from labwright.planners import Answer
from tests.forks import ROOT

NAME = "electrolyte_conductivity"

POINT: dict[str, Any] = {"molality": 1.0, "ec_fraction": 0.4, "dmc_share": 0.5}


def campaign_in(vial_ul: float, **more: Any) -> Campaign:
    """Of the reference lab, whose samples have 2 mL, in vials of this size."""
    folder = read_lab(ROOT)
    campaign = load_campaign(folder, campaign_files(ROOT)["conductivity"], simulated=True, budget=2)
    vial = folder.model.labware["vial"].model_copy(update={"capacity_ul": vial_ul})
    lab = folder.model.model_copy(update={"labware": {**folder.model.labware, "vial": vial}})
    kind = type("Changed", (type(campaign.protocols[NAME]),), more)
    return replace(campaign, protocols={**campaign.protocols, NAME: kind(lab)})


def answered(campaign: Campaign) -> Event:
    return reply(campaign, Answer(suggestions=(Suggestion(params=POINT, rationale="drawn"),)))


def test_a_planners_point_is_infeasible_and_says_what_would_run_over() -> None:
    event = answered(campaign_in(1500))
    assert isinstance(event, Infeasible)
    assert "would go into a vial, which holds 1.5 mL" in event.reason
    assert "of DMC_EC_70_30" in event.reason


def test_a_persons_point_is_refused() -> None:
    with pytest.raises(OutOfRangeError, match=r"which holds 1\.5 mL"):
        proposed(campaign_in(1500), POINT, "Kim", "curious")


def test_a_sample_that_fills_its_vial_to_the_brim_is_made() -> None:
    assert isinstance(answered(campaign_in(2000)), Suggested), "each of its stocks is rounded up to a nanolitre"


def test_what_goes_into_a_waste_fills_no_vial() -> None:
    def pours(self: object, parameters: object) -> dict[str, float]:
        return {"rinse": 20.0, "cell_waste": 20.0, "EC_EMC_50_50": 1.5}

    assert isinstance(answered(campaign_in(1500, consumption_ml=pours)), Suggested)
