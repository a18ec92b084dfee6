"""What every route works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from labwright.service.anchoring import Anchoring
from labwright.service.database import Door
from labwright.service.desk.appraiser import Appraiser
from labwright.service.desk.clerk import Clerk
from labwright.service.gate import Asker, Gate
from labwright.service.lab_process import LabProcess
from labwright.service.labfolder import LabFiles
from labwright.service.notices.courier import Courier, Rules
from labwright.service.once import Once
from labwright.service.owned import Owned
from labwright.service.pace import Pace
from labwright.service.records import Records
from labwright.service.settings import ServiceSettings
from labwright.service.signin.departures import Departures
from labwright.service.signin.issuer import Issuer
from labwright.service.stream import Tail


@dataclass(frozen=True)
class Service:
    """What every route works with.

    Attributes:
        settings: how it is run.
        records: the lab's journal.
        door: the service's own database.
        gate: lets in.
        once: remembers what was asked.
        tail: hands out what happens.
        anchoring: writes the head of the audit trail beside it.
        lab_process: reads the lab's own files.
        files: of the lab.
        owned: knows whose things are.
        appraiser: finds what the lab makes of a request.
        desk: does what is due for requests.
        rules: of the desk.
        courier: sends notices.
        pace: counts requests.
        issuer: the lab's OpenID provider; None if it has none.
        departures: browsers that are at that provider.
    """

    settings: ServiceSettings
    records: Records
    door: Door
    gate: Gate
    once: Once
    tail: Tail
    anchoring: Anchoring
    lab_process: LabProcess
    files: LabFiles
    owned: Owned
    appraiser: Appraiser
    desk: Clerk
    rules: Rules
    courier: Courier
    pace: Pace
    issuer: Issuer | None
    departures: Departures

    def close(self) -> None:
        """End what runs by itself, write the last head of the audit trail, and let go of the databases."""
        self.tail.close()
        self.desk.close()
        self.courier.close()
        self.lab_process.close()
        self.gate.close()
        self.anchoring.close()
        self.records.close()
        self.door.close()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(_service)]
"""The service, in a route."""


def _asker(request: Request, service: Here) -> Asker:
    return service.gate.asker(request)


Asking = Annotated[Asker, Depends(_asker)]
"""Who asks, in a route."""
