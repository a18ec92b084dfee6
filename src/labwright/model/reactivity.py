"""Which kinds of substances must not meet in a vessel or a waste. It is a guard, and no assessment of safety.

The pairs are those of which every chart of incompatible chemicals warns; as in the reactive groups of NOAA's
CAMEO Chemicals (https://cameochemicals.noaa.gov/browse/react), with fewer and coarser groups. What is not known here is
refused where a hazard is declared, and never taken to be harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, get_args

Group = Literal[
    "acid",
    "amine",
    "azide",
    "base",
    "cyanide",
    "flammable_organic",
    "halogenated_organic",
    "hypochlorite",
    "inert",
    "metal_powder",
    "nitrate",
    "organic",
    "oxidiser",
    "peroxide",
    "pyrophoric",
    "reducer",
    "sulfide",
    "water",
    "water_reactive",
]

GROUPS: tuple[Group, ...] = get_args(Group)

_PAIRS: Mapping[tuple[Group, Group], str] = {
    ("oxidiser", "organic"): "fire or explosion",
    ("oxidiser", "flammable_organic"): "fire or explosion",
    ("oxidiser", "halogenated_organic"): "fire, toxic gas",
    ("oxidiser", "reducer"): "violent reaction",
    ("oxidiser", "metal_powder"): "fire or explosion",
    ("oxidiser", "sulfide"): "violent reaction, sulfur dioxide",
    ("oxidiser", "amine"): "violent reaction",
    ("oxidiser", "pyrophoric"): "fire or explosion",
    ("oxidiser", "cyanide"): "violent reaction, toxic gas",
    ("peroxide", "organic"): "explosion",
    ("peroxide", "flammable_organic"): "explosion",
    ("peroxide", "acid"): "violent decomposition",
    ("peroxide", "base"): "violent decomposition",
    ("peroxide", "metal_powder"): "violent decomposition",
    ("peroxide", "reducer"): "violent reaction",
    ("peroxide", "amine"): "violent reaction",
    ("nitrate", "metal_powder"): "explosion",
    ("nitrate", "reducer"): "fire or explosion",
    ("nitrate", "flammable_organic"): "fire or explosion",
    ("acid", "base"): "heat, spattering",
    ("acid", "cyanide"): "hydrogen cyanide",
    ("acid", "azide"): "hydrazoic acid, which is toxic and explosive",
    ("acid", "sulfide"): "hydrogen sulfide",
    ("acid", "hypochlorite"): "chlorine",
    ("acid", "metal_powder"): "hydrogen, fire",
    ("acid", "amine"): "heat, spattering",
    ("acid", "reducer"): "flammable gas",
    ("hypochlorite", "amine"): "chloramines, explosive",
    ("hypochlorite", "organic"): "toxic gas, fire",
    ("hypochlorite", "flammable_organic"): "toxic gas, fire",
    ("hypochlorite", "cyanide"): "cyanogen chloride",
    ("hypochlorite", "metal_powder"): "oxygen, heat",
    ("azide", "metal_powder"): "explosive metal azides",
    ("azide", "halogenated_organic"): "explosive diazidomethane",
    ("halogenated_organic", "metal_powder"): "explosion",
    ("halogenated_organic", "pyrophoric"): "explosion",
    ("halogenated_organic", "base"): "toxic or flammable gas",
    ("water_reactive", "water"): "flammable gas, fire",
    ("water_reactive", "acid"): "violent reaction",
    ("water_reactive", "base"): "flammable gas",
    ("water_reactive", "oxidiser"): "fire or explosion",
    ("pyrophoric", "water"): "fire",
    ("pyrophoric", "acid"): "fire or explosion",
    ("pyrophoric", "peroxide"): "explosion",
}

INCOMPATIBLE: Mapping[frozenset[Group], str] = {frozenset(pair): words for pair, words in _PAIRS.items()}
"""What comes of two groups that meet."""


def conflicts(mine: Collection[Group], others: Collection[Group]) -> Iterator[tuple[Group, Group, str]]:
    """Pairs that must not meet, and what would come of it.

    Args:
        mine: groups of one substance.
        others: of what it meets.
    """
    for one in mine:
        for other in others:
            if words := INCOMPATIBLE.get(frozenset({one, other})):
                yield one, other, words
