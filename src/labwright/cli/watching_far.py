"""`labwright campaign watch --url`: a campaign at a service, as lines."""

from __future__ import annotations

import time

from labwright.cli.campaigns import go_on_words
from labwright.cli.output import EXIT, console, emitted
from labwright.cli.sites import Site
from labwright.cli.watching import left
from labwright.cli.words import question_words, told, when
from labwright.client import Client, ProblemError
from labwright.model.states import OVER

LOOK_S = 0.5
"""Wall seconds between two looks; the answer to each is a page of what is new."""


def watch_far(site: Site, name: str, *, json: bool) -> int:
    """Watch until the campaign is over; its exit code, 130 if it is interrupted before.

    Raises:
        ConfigError: there is no such campaign.
        LabwrightError: the service does not answer, or refuses.
    """
    with site.client() as client:
        try:
            return _watched(client, client.campaigns.id_of(name), json=json)
        except ProblemError as problem:
            raise problem.plain() from problem
        except KeyboardInterrupt:
            return left()


def _watched(client: Client, campaign: str, *, json: bool) -> int:
    last = 0
    asked: set[str] = set()
    ran = True
    while True:
        seen = client.campaigns.show(campaign)  # before its last events
        for event in client.campaigns.events(campaign, last):
            last = event["id"]
            if json:
                if not emitted(event):
                    return 1  # the reader of our output has ended
            else:
                console.print(f"{when(event['wall_time_s'])}  {told(event)}", markup=False)
        if seen.state in OVER:
            if not json:
                console.print(f"{campaign} {seen.state}: {seen.reason}", style="bold", markup=False)
            return EXIT[seen.state]
        if not json:
            for one in seen.questions:
                if isinstance(one, dict) and one["id"] not in asked:
                    asked.add(one["id"])
                    words = question_words(one["id"], one["text"], one["choices"])
                    console.print(words, style="bold yellow", markup=False)
            if ran and not seen.controller:
                words = f"no controller runs {campaign}; {go_on_words({'name': seen.name})}"
                console.print(words, style="bold red", markup=False)
            ran = seen.controller
        time.sleep(LOOK_S)
