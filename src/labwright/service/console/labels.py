"""Words of the console, in English and Japanese, from one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

Language = Literal["en", "ja"]

LANGUAGES: tuple[Language, ...] = get_args(Language)


@cache
def labels() -> Mapping[str, Mapping[str, str]]:
    """All labels by their key, each by language."""
    text = files("labwright.service.console").joinpath("labels.toml").read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return found


class Words:
    """The labels in one language.

    Args:
        language: of the page.
    """

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **fields: object) -> str:
        """A label with its fields filled in.

        Raises:
            KeyError: there is no such label; a test looks at each page in each language.
        """
        return labels()[key][self.language].format(**fields)

    def raw(self, key: str) -> str:
        """A label with its fields as they are, for the browser to fill in."""
        return labels()[key][self.language]

    def of(self, group: str, word: str, otherwise: str | None = None) -> str:
        """The label of a word of the lab's records or of a form, as ``state.running``.

        Args:
            group: of labels.
            word: in it.
            otherwise: if the word has none; the word itself if this is None.
        """
        found = labels().get(f"{group}.{word}")
        if found:
            return found[self.language]
        return word if otherwise is None else otherwise
