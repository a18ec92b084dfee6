"""What is said about pausing in one breath."""

from __future__ import annotations

from labwright.engine.driver import last_word_first
from labwright.engine.events import Finish, PauseStations

ON, OFF, OTHER = PauseStations(on=True), PauseStations(on=False), Finish(state="completed", reason="")


def test_the_last_word_on_pausing_holds_and_comes_first() -> None:
    assert last_word_first([OFF, OTHER, ON]) == [ON, OTHER], "told to go on and then to pause: paused"
    assert last_word_first([ON, OTHER, OFF]) == [OFF, OTHER]
    assert last_word_first([OTHER]) == [OTHER]
