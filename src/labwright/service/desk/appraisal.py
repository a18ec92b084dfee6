"""What the lab finds of a request: everything that is wrong with it, what it takes, and the campaign it would become.

The lab's own code has a part in it, so it is found in a process of its own (`labwright.service.lab_work`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labwright.answers.desk import Finding
from labwright.engine import Campaign, campaign_files, load_campaign
from labwright.engine.campaign_plan import DeckState
from labwright.engine.deck_state import deck_state
from labwright.journal import Journal, schema
from labwright.journal.asking import deck_of
from labwright.lab import GivenData, LabFolder, MistakesError
from labwright.lab.desk import read_desk
from labwright.model.desk import DeskPolicy, Offer
from labwright.model.errors import ConfigError, LabwrightError, unknown
from labwright.model.instruments import REAL
from labwright.service.desk.content import Content
from labwright.service.desk.findings import SETTLED, Appraisal
from labwright.service.desk.quoting import quoted
from labwright.service.desk.rules import broken_rules, dangerous
from labwright.service.desk.translating import listed_spec, place_in_request, points_of, searched_spec, whole_spec
from labwright.stations import LabProtocol
from labwright.stations.catalogue import make_protocol, protocol_classes


class Desk:
    """A lab as its request desk knows it.

    Args:
        folder: the lab's, read.

    Raises:
        ConfigError: the desk's rules have mistakes.
    """

    def __init__(self, folder: LabFolder) -> None:
        self.folder = folder
        names = sorted(protocol_classes(folder))
        self.policy: DeskPolicy = read_desk(folder.root, folder.model, names)
        self.offers: dict[str, Offer] = self.policy.offers or _offers(self.folder, names)
        self._protocols: dict[str, LabProtocol] = {}

    def protocol(self, name: str) -> LabProtocol:
        """A protocol of the lab's.

        Raises:
            ConfigError: it does not fit the lab.
        """
        if name not in self._protocols:
            self._protocols[name] = make_protocol(self.folder, name)
        return self._protocols[name]

    def appraise(self, journal: Journal, content: Content) -> Appraisal:
        """What the lab finds of a request.

        Args:
            journal: of the lab.
            content: of the request.

        Raises:
            ConfigError: a protocol does not fit the lab.
        """
        policy = self.policy
        instruments = instruments_of(journal)
        rules = Appraisal(
            lab_sha256=self.folder.sha256,
            instruments=instruments,
            technical=policy.reviews.technical,
            safety=max(policy.reviews.safety, int(dangerous(content))),
            approval_days=policy.approval_days,
            hastened=policy.hastened,
            open_requests=policy.open_requests,
            delivery_days=policy.delivery_days,
        )
        found: list[Finding] = []
        if not instruments:
            words = (
                "no controller has run here yet, so it is not known on which instruments it would be done: start one"
            )
            found.append(Finding(pointer="", code="no_controller", detail=words))
        offer = self._offer(content, found)
        if offer is None:
            found += broken_rules(content, policy, (), ())
            return rules.model_copy(update={"problems": tuple(found)})
        protocol = self.protocol(content.protocol.name)
        all_of_it = [protocol, *(self.protocol(name) for name in offer.prepare)]
        stations = {name for one in all_of_it for name in one.spec.stations}
        materials = {name for one in all_of_it for name in one.worst_uses()}
        found += broken_rules(content, policy, stations, materials)
        points = points_of(content, protocol, found)
        parts: dict[str, Any] = {}
        if content.campaign is not None:
            parts = searched_spec(content.campaign, protocol.spec, found)
        elif points:
            parts = listed_spec(content, protocol, points, found)
        if parts and int(parts["budget"]) > policy.experiments:
            where = "/campaign/budget" if content.campaign is not None else "/runs"
            words = f"{parts['budget']} experiments; a request may ask for {policy.experiments}: ask for the rest later"
            found.append(Finding(pointer=where, code="too_many", detail=words))
        if not parts:
            return rules.model_copy(update={"problems": tuple(found)})
        campaign, deck = self._campaign(journal, instruments, content, whole_spec(content, parts, offer, policy), found)
        if campaign is None:
            return rules.model_copy(update={"problems": tuple(found)})
        quote = quoted(self.folder, campaign, deck, policy, points, found)
        if content.cost_most is not None and quote.cost.whole > content.cost_most:
            words = f"it costs {quote.cost.whole:g} {quote.cost.currency}, and may cost {content.cost_most:g} at most"
            found.append(Finding(pointer="/cost_most", code="cost", detail=words))
        wrong = any(one.code not in SETTLED for one in found)
        spec = {} if wrong else campaign.spec.model_dump(mode="json")
        return rules.model_copy(update={"problems": tuple(found), "quote": quote, "spec": spec})

    def _offer(self, content: Content, found: list[Finding]) -> Offer | None:
        name, version = content.protocol.name, content.protocol.version
        offer = self.offers.get(name)
        if offer is None:
            words = unknown("protocol that is offered", name, list(self.offers))
            found.append(Finding(pointer="/protocol/name", code="protocol", detail=words))
            return None
        current = self.protocol(name).version
        if version in offer.withdrawn or version != current:
            why = "was withdrawn" if version in offer.withdrawn else "is not what the lab carries out"
            words = f"version {version} of {name} {why}; it is at version {current} now: look whether that does"
            found.append(Finding(pointer="/protocol/version", code="protocol_version", detail=words))
            return None
        return offer

    def _campaign(
        self, journal: Journal, instruments: str, content: Content, spec: dict[str, Any], found: list[Finding]
    ) -> tuple[Campaign | None, DeckState]:
        """The campaign, and what the lab has for it; None with mistakes."""
        names = [str(spec["protocol"]), *spec["prepare"]]
        deck = deck_state(journal, self.folder.model, instruments, names)
        try:
            campaign = load_campaign(
                self.folder,
                GivenData(spec),
                simulated=instruments != REAL,
                count=deck.count,
                now_s=deck.count.now_s if deck.count is not None else None,
            )
        except MistakesError as error:
            for one in error.mistakes:
                pointer = "" if one.file == Path("/") else str(one.file)
                place = place_in_request(pointer, content)
                found.append(Finding(pointer=place, code="campaign", detail=one.message))
            return None, deck
        except LabwrightError as error:
            found.append(Finding(pointer="", code="material", detail=str(error)))
            return None, deck
        return campaign, deck

    def offered(self) -> dict[str, Any]:
        """What the lab offers: its protocols with their parameters, its stations with their limits; the terms.

        Raises:
            ConfigError: a protocol does not fit the lab.
        """
        model, policy = self.folder.model, self.policy
        protocols = []
        for name, offer in sorted(self.offers.items()):
            spec = self.protocol(name).spec
            protocols.append(
                {
                    "name": name,
                    "version": spec.version,
                    "title": spec.title,
                    "summary": offer.summary,
                    "parameters": [
                        {**one.model_dump(mode="json", exclude_none=True), "allowed": one.allowed}
                        for one in spec.parameters
                    ],
                    "results": [one.model_dump(mode="json", exclude_none=True) for one in spec.results],
                    "stations": sorted(spec.stations),
                    "labware": spec.labware,
                    "minutes": round(sum(step.expected_s for step in spec.steps) / 60, 3),
                }
            )
        return {
            "lab": model.name,
            "title": model.title,
            "terms": policy.terms,
            "currency": policy.currency,
            "prices": policy.prices.model_dump(mode="json"),
            "experiments": policy.experiments,
            "reviews": policy.reviews.model_dump(mode="json"),
            "protocols": protocols,
            "valid_s": {
                name: spec.valid_s
                for offer in self.offers.values()
                for name in offer.prepare
                if (spec := self.protocol(name).spec).valid_s
            },
            "stations": {
                name: {
                    "title": one.title,
                    "kind": one.kind or "",
                    "slots": one.slots,
                    "hazards": list(policy.hazards.get(name, ())),
                    "limits": {
                        device: {axis: list(ends) for axis, ends in model.devices[device].limits.items()}
                        for device in one.role_devices
                    },
                }
                for name, one in model.stations.items()
            },
        }


def instruments_of(journal: Journal) -> str:
    """On which instruments a request would run: those of the controller that runs, or of the last that did.

    Empty where none ever has.
    """
    if here := deck_of(journal):
        return here
    epoch = schema.epoch
    rows = journal.read(sa.select(epoch.c.instruments).order_by(epoch.c.id.desc()).limit(1))
    return str(rows[0]["instruments"]) if rows else ""


def _offers(folder: LabFolder, protocols: list[str]) -> dict[str, Offer]:
    """What is offered where the lab's files do not say it: the protocols of its campaigns, with their preparations."""
    found: dict[str, Offer] = {}
    for path in campaign_files(folder.root).values():
        try:
            spec = load_campaign(folder, path, any_planner=True, sufficient=False).spec
        except ConfigError:  # `labwright check` tells; what it would be is no reason to offer nothing
            continue
        if spec.protocol in protocols:
            found.setdefault(spec.protocol, Offer(prepare=spec.prepare))
    return found
