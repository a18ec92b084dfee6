"""The truth: run documents, events, intents of operations; on the disk before anything is done about them."""

from labwright.journal.journal import Changes, Command, Journal, LoggedEvent, NewEvent, journal_file
from labwright.journal.latch import Latch, latching, open_latches, reset_latch
from labwright.journal.place import check_place
from labwright.journal.runs import Recovered, RunJournal, closed_runs, find_run, read_run, recover, run_files
from labwright.journal.steps import StepJournal, settle, supersede
from labwright.journal.telling import Teller
from labwright.journal.wake import WakePort
from labwright.journal.writer import FencedError

__all__ = [
    "Changes",
    "Command",
    "FencedError",
    "Journal",
    "Latch",
    "LoggedEvent",
    "NewEvent",
    "Recovered",
    "RunJournal",
    "StepJournal",
    "Teller",
    "WakePort",
    "check_place",
    "closed_runs",
    "find_run",
    "journal_file",
    "latching",
    "open_latches",
    "read_run",
    "recover",
    "reset_latch",
    "run_files",
    "settle",
    "supersede",
]
