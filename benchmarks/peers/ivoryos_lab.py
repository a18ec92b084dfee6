"""A simulated deck under ivoryOS' own server; runs where ivoryOS is installed, and imports nothing of ours.

``python ivoryos_lab.py PORT`` serves until it is killed, with its data in the folder that it is started in.
"""

from __future__ import annotations

import sys
import time


class Pump:
    """A pump that doses."""

    def dose(self, amount_ml: float = 1.0) -> None:
        """Take as long as a dose."""
        time.sleep(0.2 * amount_ml)


class Arm:
    """An arm that moves."""

    def move(self, place: int = 1) -> None:
        """Take as long as a move."""
        time.sleep(0.2 * place)


pump = Pump()
arm = Arm()

if __name__ == "__main__":
    import ivoryos

    ivoryos.run(__name__, host="127.0.0.1", port=int(sys.argv[1]), debug=False)
