"""The truth: run documents, events, intents of operations; on the disk before anything is done about them."""

from labwright.journal.journal import Command, Journal, LoggedEvent, NewEvent, Snapshot, journal_file
from labwright.journal.latch import (
    Latch,
    instruments_words,
    latch_of,
    latching,
    open_latches,
    place_option,
    reset_command,
    reset_latch,
    stopped_words,
    waiting_words,
)
from labwright.journal.place import check_place
from labwright.journal.runs import Recovered, RunJournal, closed_runs, find_run, read_run, recover, run_files
from labwright.journal.steps import StepJournal, settle, supersede
from labwright.journal.telling import Teller
from labwright.journal.wake import WakePort
from labwright.journal.writer import FencedError
from labwright.model.rows import Changes

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
    "Snapshot",
    "StepJournal",
    "Teller",
    "WakePort",
    "check_place",
    "closed_runs",
    "find_run",
    "instruments_words",
    "journal_file",
    "latch_of",
    "latching",
    "open_latches",
    "place_option",
    "read_run",
    "recover",
    "reset_command",
    "reset_latch",
    "run_files",
    "settle",
    "stopped_words",
    "supersede",
    "waiting_words",
]
