"""Messages between a planner's process and the engine: one JSON object per line."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict

from labwright.model.campaign import CampaignState, PlannerSpec, StopAdvice, Suggestion, Trial

__all__ = ["Ask", "Reply", "write_line"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ask(_Message):
    """A question, with what the process does not know yet.

    Args:
        planner: who is asked.
        n: how many suggestions.
        campaign: the campaign without its trials; given when everything is sent again.
        news: trials that changed, by place among all trials, then those that came after the last.
        advise: whether to answer as well if further experiments are worth it.
    """

    planner: PlannerSpec
    n: int
    campaign: CampaignState | None = None
    news: dict[int, Trial] = {}
    advise: bool = False


class Reply(_Message):
    """The planner's suggestions, or in `refused` why it has none; `advice` where it was asked for."""

    suggestions: tuple[Suggestion, ...] = ()
    advice: StopAdvice | None = None
    refused: str = ""


def write_line(fd: int, message: Ask | Reply) -> None:
    """Write one message to a pipe, all of it.

    Raises:
        BrokenPipeError: no process reads it any more.
    """
    rest = memoryview(message.model_dump_json().encode() + b"\n")
    while rest:
        rest = rest[os.write(fd, rest) :]
