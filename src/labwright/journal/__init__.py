"""The truth: run documents and campaign events, on the disk before anything is done about them."""

from labwright.journal.events import EventLog, LoggedEvent
from labwright.journal.place import check_place
from labwright.journal.runs import Recovered, RunJournal, closed_runs, find_run, read_run, recover

__all__ = [
    "EventLog",
    "LoggedEvent",
    "Recovered",
    "RunJournal",
    "check_place",
    "closed_runs",
    "find_run",
    "read_run",
    "recover",
]
