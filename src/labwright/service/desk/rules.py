"""What a request is refused for by rule, whatever the lab could do: terms, classes, hazards, what must not meet.

It is a guard, and no assessment of safety: people still review every request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from labwright.answers.desk import Finding
from labwright.model.desk import DeskPolicy
from labwright.model.reactivity import conflicts
from labwright.service.desk.content import Content, SampleDeclared

NEEDS_SAFETY = ("H200", "H201", "H202", "H203", "H204", "H205", "H240", "H241", "H250", "H340", "H350", "H360")
"""Explosive, pyrophoric, or harmful by CMR effects: never without a safety review (GHS Rev. 10, annex 3)."""

CUBED = {"uL", "mL", "L", "nL"}
WEIGHED = {"ug", "mg", "g", "kg"}
COUNTED = {"pieces"}


def broken_rules(
    content: Content, policy: DeskPolicy, stations: Collection[str], materials: Collection[str]
) -> Iterator[Finding]:
    """Rules of the desk that a request breaks.

    Args:
        content: of the request.
        policy: the rules.
        stations: at which the protocol works.
        materials: of the lab that it takes.
    """
    if content.terms != policy.terms:
        yield Finding(
            pointer="/terms",
            code="terms",
            detail=f"version {content.terms!r} of the terms was accepted; they are at {policy.terms!r} now: read and "
            "accept those",
        )
    yield from _classes(content)
    for index, sample in enumerate(content.samples):
        yield from _sample(sample, f"/samples/{index}", policy, stations)
    labels = [one.label for one in content.samples]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            yield Finding(
                pointer=f"/samples/{index}/label",
                code="label_twice",
                detail=f"two samples are called {label!r}; give each a label of its own",
            )
    yield from _meetings(content.samples, policy.reactivity, materials)


def dangerous(content: Content) -> bool:
    """Whether a safety review is needed whatever the lab's rules say."""
    return any(code.startswith(NEEDS_SAFETY) for sample in content.samples for code in sample.hazards)


def _classes(content: Content) -> Iterator[Finding]:
    control = content.export_control
    if content.data_class == "open" and control.status != "not_controlled":
        yield Finding(
            pointer="/data_class",
            code="export_control",
            detail=f"data that are {control.status} under export control law cannot be open; ask for another class, or "
            "have them declared not_controlled by the person who may",
        )
    if control.status == "controlled" and not (control.regime and control.item):
        yield Finding(
            pointer="/export_control",
            code="export_control",
            detail="what is controlled needs its regime and its item number",
        )


def _sample(sample: SampleDeclared, where: str, policy: DeskPolicy, stations: Collection[str]) -> Iterator[Finding]:
    for index, number in enumerate(sample.cas):
        if not _is_cas(number):
            yield Finding(
                pointer=f"{where}/cas/{index}",
                code="cas",
                detail=f"{number} is no CAS number: its last digit does not check the others; look it up again",
            )
    unit, value = sample.amount.unit, sample.amount.value
    if unit not in CUBED | WEIGHED | COUNTED:
        known = ", ".join(sorted(CUBED | WEIGHED | COUNTED))
        yield Finding(pointer=f"{where}/amount/unit", code="unit", detail=f"no unit {unit!r} for an amount: {known}")
    elif sample.form in ("solid", "powder") and unit in CUBED:
        words = f"a {sample.form} is weighed or counted, and {unit} is a volume; give mg, g or pieces"
        yield Finding(pointer=f"{where}/amount/unit", code="unit", detail=words)
    elif sample.form in ("film", "device") and unit not in COUNTED:
        words = f"a {sample.form} is counted, and {unit} is none of its units; give pieces"
        yield Finding(pointer=f"{where}/amount/unit", code="unit", detail=words)
    if value <= 0:
        words = f"{value:g} {unit} is nothing; give what there is"
        yield Finding(pointer=f"{where}/amount/value", code="value", detail=words)
    if not sample.hazards:
        return
    if sample.sheet is None:
        yield Finding(
            pointer=where,
            code="sheet",
            detail=f"{sample.label} has the hazards {', '.join(sample.hazards)} and no safety data sheet; give its "
            "reference and its SHA-256",
        )
    if not sample.cas:
        words = f"{sample.label} has hazards and no CAS number; give those of what is in it"
        yield Finding(pointer=where, code="cas", detail=words)
    for station in sorted(stations):
        allowed = policy.hazards.get(station, ())
        if short := [code for code in sample.hazards if code not in allowed]:
            yield Finding(
                pointer=f"{where}/hazards",
                code="hazard",
                detail=f"station {station} does not take {', '.join(short)} (it takes "
                f"{', '.join(allowed) or 'no hazard'}); talk to the lab before you ask again",
            )


def _meetings(
    samples: Collection[SampleDeclared], known: Mapping[str, Collection[str]], materials: Collection[str]
) -> Iterator[Finding]:
    """What must not meet: samples with each other, in a waste at the latest, and with what the lab adds to them."""
    for (_, one), (second, other) in combinations(enumerate(samples), 2):
        for mine, its, words in conflicts(one.groups, other.groups):
            yield Finding(
                pointer=f"/samples/{second}/groups",
                code="incompatible",
                detail=f"{other.label} ({its}) must not meet {one.label} ({mine}): {words}; ask for them separately",
            )
    for index, sample in enumerate(samples):
        where = f"/samples/{index}"
        if sample.hazards and not sample.groups:
            yield Finding(
                pointer=where,
                code="reactivity_unknown",
                detail=f"{sample.label} has hazards and no reactivity groups; without them it cannot be known what it "
                "must not meet",
            )
        for material in sorted(materials):
            if material not in known:
                if sample.hazards:
                    yield Finding(
                        pointer=where,
                        code="reactivity_unknown",
                        detail=f"{sample.label} has hazards, and the lab does not say to which reactivity groups its "
                        f"{material} belongs; ask the lab to add it to desk.yaml (reactivity)",
                    )
                continue
            for mine, its, words in conflicts(sample.groups, known[material]):  # type: ignore[arg-type]
                yield Finding(
                    pointer=f"{where}/groups",
                    code="incompatible",
                    detail=f"{sample.label} ({mine}) must not meet the lab's {material} ({its}): {words}",
                )


def _is_cas(number: str) -> bool:
    """Whether the last digit of a CAS number checks the others."""
    *digits, check = [int(one) for one in number if one.isdigit()]
    return sum(place * digit for place, digit in enumerate(reversed(digits), start=1)) % 10 == check
