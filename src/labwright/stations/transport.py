"""What authors of transports write against: a class with one plan, which carries a container from here to there."""

from __future__ import annotations

from typing import Any, ClassVar

from labwright.model.errors import ConfigError, unknown
from labwright.model.lab import LabModel
from labwright.model.protocol import StepSpec
from labwright.stations.protocol import LabProtocol, Plan, StepContext


class LabTransport:
    """Base of transports: override `carry`.

    Args:
        lab: it will work in.
        name: of the transport in the lab's files.
    """

    def __init__(self, lab: LabModel, name: str) -> None:
        self.lab = lab
        self.name = name

    def location(self, position: str) -> Any:
        """What the lab's files say that the plan must know to get to a position.

        Raises:
            ConfigError: the transport does not reach it.
        """
        reaches = self.lab.transports[self.name].reaches
        if position not in reaches:
            raise ConfigError(f"transport {self.name}: {unknown('position that it reaches', position, list(reaches))}")
        return reaches[position]

    def carry(self, context: StepContext, start: Any, end: Any) -> Plan:
        """Carry the container at `start` to `end`, both as the lab's files say how to get there.

        It is done again from the beginning after a fault (`context.order.attempt` is above 1 then): a person has put
        the container back to where it began. What the move is: `context.order.move`.
        """
        raise NotImplementedError


class Carrying(LabProtocol):
    """The moves of a transport, as a station carries out the steps of a protocol.

    Args:
        transport: whose plan it is.
    """

    title: ClassVar[str] = "Moves of a transport"
    steps: ClassVar[tuple[StepSpec, ...]] = (StepSpec(name="carry", station="transport", expected_s=1),)

    def __init__(self, transport: LabTransport) -> None:
        super().__init__(transport.lab)
        setattr(self, "name", transport.name)  # noqa: B010 - of the class for protocols, of each for transports
        self._transport = transport

    def plan(self, context: StepContext) -> Plan:
        """The plan of a move."""
        move = context.order.move
        if move is None:
            raise ConfigError(f"transport {self.name} has no step {context.order.step}, only moves")
        transport = self._transport
        yield from transport.carry(context, transport.location(move.start), transport.location(move.end))
        return {}
