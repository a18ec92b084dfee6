"""All routes of the console."""

from __future__ import annotations

from labwright.service.console import (
    asking,
    assets,
    audit,
    calling,
    campaigns,
    data,
    deck,
    entering,
    experiment,
    inventory,
    launching,
    now,
    request,
    requests,
    settings,
    station,
    timeline,
)

routers = tuple(
    module.router
    for module in (
        assets,
        entering,
        calling,
        now,
        launching,
        campaigns,
        experiment,
        timeline,
        inventory,
        deck,
        data,
        station,
        audit,
        settings,
        requests,
        asking,
        request,
    )
)
