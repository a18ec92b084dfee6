"""The command line: `labwright`."""

import gc

# Before anything large is imported: what a command imports stays, and nothing of it is garbage.
gc.set_threshold(50_000, 20, 20)

from labwright.cli.app import main  # noqa: E402

__all__ = ["main"]
