"""What a service refuses, and that it does not answer.

Drawn as a tree::

LabwrightError
└── ProblemError                    a problem, as the service has said it (RFC 9457)
├── InvalidError                3   what was asked cannot be (also a ConfigError)
├── NotFoundError               3   there is no such thing, or it may not be seen (also a ConfigError)
├── ForbiddenError              5   the key is none, or does not allow it (also a RefusedError)
├── ConflictError               5   the lab refuses (also a RefusedError)
├── StaleError                  5   it has changed since it was read (also a RefusedError)
└── ServiceError                1   the service or its journal has failed, or is busy (also a JournalError)
├── UnreachableServiceError         4   no service answers at the URL
├── NotReachedError                 1   what was waited for has not come
└── LostSecretError                 1   something was made, and the answer with its secret was lost
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from labwright.model.errors import ConfigError, JournalError, LabwrightError, RefusedError


class UnreachableServiceError(LabwrightError):
    """No service answers at the URL."""

    exit_code = 4


class NotReachedError(LabwrightError):
    """What was waited for has not come in time, or cannot come any more."""

    exit_code = 1


class LostSecretError(LabwrightError):
    """Something was made, and the answer that had its secret was lost: it is answered once.

    Args:
        what: was made, as in ``"key 1a2b3c4d"``.
        undo: what to do about it, as a sentence without its end.
    """

    exit_code = 1

    def __init__(self, what: str, undo: str) -> None:
        super().__init__(
            f"{what} was made, but the answer that had its secret was lost on the way, and it is said only once. {undo}"
        )


class ProblemError(LabwrightError):
    """A problem, as the service has said it.

    Args:
        problem: the body of the answer.
        status: of HTTP.

    Attributes:
        code: stable, for programs.
        status: of HTTP.
        detail: in words.
        errors: each mistake in what was sent: ``pointer``, ``code``, ``detail``.
        trace: by which it is found in the audit trail.
    """

    same: ClassVar[type[LabwrightError]] = LabwrightError
    """What the same is called where no service is between."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.code = str(problem.get("code", ""))
        self.status = status
        self.detail = str(problem.get("detail", ""))
        self.errors: list[dict[str, Any]] = list(problem.get("errors", ()))
        self.trace = str(problem.get("trace", ""))
        super().__init__(self._words())

    def plain(self) -> LabwrightError:
        """The same error, as it would be raised where no service is between."""
        return self.same(str(self))

    def _words(self) -> str:
        each = [f"{_place(one)}{one.get('detail', '')}" for one in self.errors]
        return "\n  ".join([self.detail, *each]) if len(each) > 1 else "".join(each) or self.detail


class InvalidError(ProblemError, ConfigError):
    """What was asked cannot be."""

    exit_code = 3
    same = ConfigError


class NotFoundError(ProblemError, ConfigError):
    """There is no such thing, or it may not be seen."""

    exit_code = 3
    same = ConfigError


class ForbiddenError(ProblemError, RefusedError):
    """The key is none, or does not allow it."""

    exit_code = 5
    same = RefusedError


class ConflictError(ProblemError, RefusedError):
    """The lab refuses."""

    exit_code = 5
    same = RefusedError


class StaleError(ProblemError, RefusedError):
    """It has changed since it was read."""

    exit_code = 5
    same = RefusedError


class ServiceError(ProblemError, JournalError):
    """The service, or the journal behind it, has failed or is busy."""

    exit_code = 1
    same = JournalError


def problem_of(problem: Mapping[str, Any], status: int) -> ProblemError:
    """The error that a problem is."""
    kind: type[ProblemError]
    if status in (401, 403):
        kind = ForbiddenError
    elif status == 404:
        kind = NotFoundError
    elif status == 409:
        kind = ConflictError
    elif status in (412, 428):
        kind = StaleError
    elif 400 <= status < 500 and status != 429:
        kind = InvalidError
    else:
        kind = ServiceError
    return kind(problem, status)


def _place(mistake: Mapping[str, Any]) -> str:
    where = mistake.get("pointer") or next((f"{k} {v}" for k, v in mistake.items() if k not in ("code", "detail")), "")
    return f"{where}: " if where else ""
