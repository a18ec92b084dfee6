"""Now: what runs, what waits for a person, what is wrong, and Stop."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Request

from labwright.facts.lab import lab_now
from labwright.facts.questions import question_facts
from labwright.facts.remarks import deviation_list
from labwright.journal.status import LabStatus
from labwright.model.by_hand import BY_HAND
from labwright.service.console.alarms import alarms
from labwright.service.console.frame import LAB, stations_named
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.requests import awaited
from labwright.service.gate import Asker
from labwright.service.remarks import visible
from labwright.service.state import Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)


REVIEWS_MOST = 5
"""Requests of each state that are shown because they wait for the reader's review."""


def now(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """The lab as it stands."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        status = lab_now(journal)
        questions = question_facts(journal)
        deviations = list(visible(service, asker, journal, deviation_list(journal, open_only=True)))
    hands = {one.id for one in status.campaigns if one.name == BY_HAND}
    cards = [one for one in questions if one.get("kind") == "task"]
    return Shown(
        words("now"),
        "now",
        {
            "status": dataclasses.replace(status, campaigns=[one for one in status.campaigns if one.id not in hands]),
            "alarms": list(alarms(status, words)),
            "cards": cards,
            "deviations": deviations,
            "reviews": awaited(service, asker, REVIEWS_MOST),
            "questions": [one for one in questions if one.get("kind") != "task"],
            "names": {one.id: one.title or one.name for one in status.campaigns},
            "samples": [one for one in _samples(status) if one["campaign"] not in hands],
            "stations": sorted(status.stations, key=lambda one: one.name),  # a slot stays where its station was
            "label_of": label_of,
            "by_people": hands,
            "known": stations_named(service),
        },
        ("alarms", "waiting", "under_way", "stations", "samples"),
    )


def _samples(status: LabStatus) -> list[dict[str, Any]]:
    """Samples in flight, each with where it is, what is done to it, and what it waits for."""
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def of(campaign: str, sample: str) -> dict[str, Any]:
        empty = {"campaign": campaign, "sample": sample, "places": [], "steps": [], "waits": []}
        return found.setdefault((campaign, sample), empty)

    for one in status.taken:
        if one.what == "position":
            of(one.campaign, one.sample)["places"].append(one.name)
    for station in status.stations:
        if station.step:
            of(station.campaign, label_of(station.campaign, station.sample))["steps"].append(station)
    for wait in status.waits:
        if wait.sample:
            of(wait.campaign, wait.sample)["waits"].append(wait)
    return [found[key] for key in sorted(found)]


def label_of(campaign: str, sample: str) -> str:
    """The number of a sample in its campaign, as it is written on the vial."""
    return sample.removeprefix(f"{campaign}-")


page(router, "/now", now)
