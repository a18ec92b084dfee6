"""People, as they are named in journals and files."""

from __future__ import annotations

__all__ = ["same_person"]


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: capital letters and spaces around them make no other."""
    return one.strip().casefold() == other.strip().casefold()
