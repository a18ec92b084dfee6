"""Words of the console, in English and Japanese, from one file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from html import escape, unescape
from importlib.resources import files
from typing import Literal, get_args

from markupsafe import Markup

Language = Literal["en", "ja"]

DRAWN = "drawn."

SAID = re.compile(r">([^<>]+)</(text|title)>")
"""What a drawing says: its texts, and its name."""

SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")
"""Where one sentence of a drawing ends and the next begins."""

WITHIN = "label"
"""Field of a drawing's words that holds such words itself; others hold names."""

PART = {WITHIN: "[^.]+"}
"""What a field can be, where it is no name."""

LANGUAGES: tuple[Language, ...] = get_args(Language)


@cache
def labels() -> Mapping[str, Mapping[str, str]]:
    """All labels by their key, each by language."""
    text = files("labwright.service.console").joinpath("labels.toml").read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return found


@cache
def _drawn() -> list[tuple[re.Pattern[str], Mapping[str, str]]]:
    """What drawings say, as patterns of the English words with their fields as groups, and the labels."""
    found = []
    for key, texts in labels().items():
        if key.startswith(DRAWN):
            parts = re.split(r"\{(\w+)\}", texts["en"])
            words = [
                f"(?P<{part}>{PART.get(part, '.+')})" if n % 2 else re.escape(part) for n, part in enumerate(parts)
            ]
            found.append((re.compile("".join(words)), texts))
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

    def drawn(self, text: str) -> str:
        """What a drawing says, in the language of the page; as it is, if it is a name or a number."""
        if self.language == "en":
            return text
        for pattern, texts in _drawn():
            if found := pattern.fullmatch(text):
                fields = found.groupdict()
                if WITHIN in fields:
                    fields[WITHIN] = self.drawn(fields[WITHIN])
                return texts[self.language].format(**fields)
        sentences = SENTENCES.split(text)
        return " ".join(self.drawn(one) for one in sentences) if len(sentences) > 1 else text

    def picture(self, svg: str) -> Markup:
        """A drawing of ours with its words in the language of the page."""
        return Markup(SAID.sub(lambda one: f">{escape(self.drawn(unescape(one[1])))}</{one[2]}>", svg))  # noqa: S704

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
