"""Campaigns at a service."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from labwright.answers.campaigns import Campaign, CampaignDetail, Experiment
from labwright.answers.lab import Command
from labwright.client.answers import Event
from labwright.client.wire import Wire
from labwright.model.errors import ConfigError
from labwright.model.states import OVER

LOOK_S = 0.5
"""Wall seconds between two looks at a campaign that is followed; the answer to each is a page of what is new."""

NAMED = ("id", "kind", "campaign", "lab_time_s", "wall_time_s")
"""Of an event; the rest is its data."""


class Campaigns:
    """Campaigns: hand over, look at, steer.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self) -> Iterator[Campaign]:
        """Campaigns that the key may see, the most recent first."""
        return (Campaign.model_validate(one) for one in self._wire.pages("/v1/campaigns"))

    def id_of(self, name: str = "") -> str:
        """The id of a campaign, by that or by its name: the newest of it; the newest of all if empty.

        Raises:
            ConfigError: there is none that the key may see.
        """
        found = self._wire.get("/v1/campaigns", name=name, limit=1)["items"]
        if not found:
            what = f"no campaign {name!r}" if name else "no campaign"
            raise ConfigError(f"{self._wire.url} knows {what} that this key may see")
        return str(found[0]["campaign"])

    def submit(
        self,
        campaign: str | Mapping[str, Any],
        *,
        budget: int | None = None,
        seed: int | None = None,
        planner: str | None = None,
        parallel: int | None = None,
        because: str = "",
        key: str | None = None,
    ) -> str:
        """Hand a campaign to the controller; the id of what has started.

        Args:
            campaign: name of one in the lab's folder; or a whole one, as its file has it.
            budget: experiments, if other than there.
            seed: if other than there.
            planner: by name, if other than there.
            parallel: samples on their way at once, if other than there.
            because: why.
            key: the Idempotency-Key; a new one if None.

        Raises:
            ProblemError: the lab cannot carry it out, or the controller refuses.
        """
        given = {"name": campaign} if isinstance(campaign, str) else {"spec": dict(campaign)}
        changes = {"budget": budget, "seed": seed, "planner": planner, "parallel": parallel, "because": because or None}
        body = {**given, **{name: value for name, value in changes.items() if value is not None}}
        answer = self._wire.send("POST", "/v1/campaigns", body, key=key)
        return str(answer.get("campaign") or answer["result"])

    def show(self, campaign: str) -> CampaignDetail:
        """A campaign as it stands.

        Args:
            campaign: its id.
        """
        return CampaignDetail.model_validate(self.facts(campaign))

    def facts(self, campaign: str) -> dict[str, Any]:
        """All that is shown of a campaign, as JSON."""
        found: dict[str, Any] = self._wire.get(f"/v1/campaigns/{campaign}")
        return found

    def experiments(self, campaign: str) -> Iterator[Experiment]:
        """Experiments and proposals of a campaign, in their order."""
        return (Experiment.model_validate(one) for one in self._wire.pages(f"/v1/campaigns/{campaign}/experiments"))

    def events(self, campaign: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """What has happened in a campaign until now, oldest first."""
        while True:
            page = self._wire.get(f"/v1/campaigns/{campaign}/events", cursor=after)
            yield from page["items"]
            if page["next"] is None:
                return
            after = page["next"]

    def follow(self, campaign: str, after: int = 0) -> Iterator[Event]:
        """What happens in a campaign, oldest first, until it is over.

        Args:
            campaign: its id.
            after: id of the last event that is known.
        """
        while True:
            (row,) = self._wire.get("/v1/campaigns", name=campaign, limit=1)["items"]  # before its last events
            for one in self.events(campaign, after):
                after = one["id"]
                rest = {name: value for name, value in one.items() if name not in NAMED}
                yield Event(**{name: one[name] for name in NAMED}, data=rest)
            if row["state"] in OVER:
                return
            time.sleep(LOOK_S)

    def space(self, campaign: str) -> dict[str, Any]:
        """The parameters that a campaign searches, as its file has them."""
        found: dict[str, Any] = self._wire.get(f"/v1/campaigns/{campaign}/space")
        return found

    def export(self, campaign: str) -> str:
        """The experiments of a campaign as CSV, with units in the heads."""
        return self._wire.text(f"/v1/campaigns/{campaign}/export", format="csv")

    def table(self, campaign: str, format: Literal["csv", "parquet", "xlsx"]) -> bytes:
        """The experiments of a campaign as a file.

        Args:
            campaign: its id.
            format: of the file.
        """
        return self._wire.request("GET", f"/v1/campaigns/{campaign}/export", query={"format": format}).content

    def report(self, campaign: str) -> str:
        """The report of a campaign, as a page of HTML."""
        return self._wire.text(f"/v1/campaigns/{campaign}/report")

    def pause(self, campaign: str, because: str) -> Command:
        """Start no further operation; those under way run to their end."""
        return self.steer(campaign, "pause", {}, because)

    def resume(self, campaign: str, because: str) -> Command:
        """Let operations start again after a pause."""
        return self.steer(campaign, "resume", {}, because)

    def drain(self, campaign: str, because: str) -> Command:
        """Start no further experiment; those under way are carried out to their end."""
        return self.steer(campaign, "drain", {}, because)

    def stop(self, campaign: str, because: str, *, now: bool = False, sample: str = "") -> Command:
        """End a campaign, or one sample of it: after the operations under way, or now."""
        payload: dict[str, Any] = {"now": now, **({"sample": sample} if sample else {})}
        return self.steer(campaign, "stop", payload, because)

    def extend(self, campaign: str, budget: int, because: str, *, lab_changed: bool = False) -> Command:
        """Let a campaign make more experiments: so many in all.

        Args:
            campaign: its id.
            budget: experiments in all.
            because: why.
            lab_changed: you have checked what changed in the lab since it was started.
        """
        return self.steer(campaign, "extend", {"budget": budget, "lab_changed": lab_changed}, because)

    def suggest(self, campaign: str, params: Mapping[str, Any], because: str) -> str:
        """Put an experiment before any that the planner suggests; the id of the proposal."""
        return self.steer(campaign, "suggest", {"params": dict(params)}, because).result

    def veto(
        self,
        campaign: str,
        because: str,
        *,
        trial: str = "",
        params: Mapping[str, Any] | None = None,
        reach: float = 0.0,
    ) -> Command:
        """Withdraw a proposal that has not started, or forbid a point and what is around it.

        Args:
            campaign: its id.
            because: why.
            trial: id of the proposal.
            params: or the point.
            reach: and what is around it, as a share of each range.
        """
        payload = {"trial": trial} if params is None else {"params": dict(params), "reach": reach}
        return self.steer(campaign, "veto", payload, because)

    def steer(
        self,
        campaign: str,
        kind: str,
        payload: Mapping[str, Any],
        because: str,
        *,
        version: str | None = None,
        key: str | None = None,
    ) -> Command:
        """Ask the controller of a campaign for something, and wait until it is done.

        Args:
            campaign: its id.
            kind: ``pause``, ``resume``, ``drain``, ``stop``, ``extend``, ``suggest`` or ``veto``.
            payload: what else is said.
            because: why.
            version: the ETag of the campaign for which it is meant.
            key: the Idempotency-Key; a new one if None.
        """
        body = {**payload, "because": because}
        answer = self._wire.send("POST", f"/v1/campaigns/{campaign}/{kind}", body, key=key, version=version)
        return Command.model_validate(answer)
