"""Random labs and protocols for the machine of moves: nastier than any lab should be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from labwright.engine.layout import Carrier, Layout, Site
from labwright.model.availability import Availability
from labwright.model.calendars import CalendarSpec, MaintenanceSpec
from labwright.model.protocol import NumberResult, ProtocolSpec, Repeat, StepSpec, When
from tests.engine.moving import VIAL, layout, step, way
from tests.engine.test_lab_machine import policies, questions_asked

STATIONS = ("a", "b", "c", "d")

SHIFTS = CalendarSpec(
    zone="UTC", opens={"mon-sun": tuple(f"{h:02}:{m:02}-{h:02}:{m + 20}" for h in range(24) for m in (0, 30))}
)
"""People are there twenty minutes of each half an hour."""


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """One to four stations, the last two perhaps of one kind, one or two transports, and few racks."""
    names = STATIONS[: draw(st.integers(1, 4))]
    pair = len(names) == 4 and draw(st.booleans())
    benches = []
    how = "own"
    for name in names:
        if not (pair and name == "d"):
            how, number = draw(st.sampled_from(["own", "own", "one", "batch"])), draw(st.integers(1, 3))
        benches.append((f"{name}:c" if pair and name == "d" else name, number, how))
    racks = tuple(f"rack_{number}" for number in range(1, draw(st.integers(2, 6)) + 1))
    arms = draw(st.integers(1, 2))
    plan = layout(*benches, arms=arms, racks=racks)
    wait_s = draw(st.sampled_from([0.0, 0.0, 200.0]))
    benches_there = {name: replace(bench, batch_wait_s=wait_s) for name, bench in plan.benches.items()}
    plan = replace(plan, benches=benches_there)
    if arms == 2 and draw(st.booleans()):
        plan = handed_over(plan, draw(st.integers(1, len(names))), draw(st.booleans()))
    return with_jars(draw, plan) if draw(st.integers(0, 3)) == 0 else plan


def with_jars(draw: st.DrawFn, plan: Layout) -> Layout:
    """The same lab with jars beside its vials: in every other rack, and at the first position of each station."""
    jars, both = frozenset({"jar"}), VIAL | {"jar"}
    sites = {}
    for name, site in plan.sites.items():
        first = site.station and name == plan.sites_at(site.station, "vial")[0]
        takes = draw(st.sampled_from([VIAL, both])) if site.station and not first else both
        if name.startswith("rack"):
            takes = VIAL if int(name[-1]) % 2 else jars
        sites[name] = replace(site, takes=takes)
    return replace(
        plan, sites=sites, carriers={name: replace(one, labware=both) for name, one in plan.carriers.items()}
    )


@st.composite
def calendars(draw: st.DrawFn, stations: Sequence[str]) -> dict[str, Availability]:
    """People work on some stations for a time, perhaps; most often on none."""
    found = {}
    attended = draw(st.integers(0, 5)) == 0
    for station in stations if draw(st.integers(0, 2)) == 0 else ():
        spans = draw(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([50, 400, 2500])), max_size=2))
        hours = ("day", SHIFTS) if attended and draw(st.booleans()) else None
        if spans or hours:
            closed = (
                MaintenanceSpec(
                    station=station,
                    starts=datetime.fromtimestamp(first, UTC),
                    ends=datetime.fromtimestamp(first + takes, UTC),
                    why="new seals",
                )
                for first, takes in spans
            )
            found[station] = Availability(tuple(closed), hours)
    return found


def handed_over(plan: Layout, near: int, chain: bool) -> Layout:
    """The same stations, with an arm for the racks and the nearest, another for the rest, and a shelf between them.

    Args:
        plan: the stations.
        near: how many of them are near.
        chain: whether the last station has an arm of its own, behind another shelf.
    """
    sites = {**plan.sites, "shelf": Site("shelf", "", VIAL)}
    by_first = {name for name, site in sites.items() if site.station in ("", *list(plan.benches)[:near])} - {"waste"}
    by_second = {name for name in sites if name not in by_first} | {"shelf"}
    carriers = {
        "arm": Carrier("arm", "arm_1", VIAL, 10, frozenset(by_first)),
        "cart": Carrier("cart", "arm_2", VIAL, 25, frozenset(by_second)),
    }
    last = list(plan.benches)[-1]
    if chain and near < len(plan.benches):
        sites["stand"] = Site("stand", "", VIAL)
        behind = {name for name, site in sites.items() if site.station == last} | {"stand"}
        carriers["cart"] = replace(carriers["cart"], reaches=frozenset((by_second - behind) | {"stand"}))
        carriers["crane"] = Carrier("crane", "crane", VIAL, 15, frozenset(behind | {"waste"}))
    return Layout(sites, plan.benches, carriers)


@st.composite
def ways(draw: st.DrawFn, stations: Sequence[str], single: Collection[str] = ()) -> ProtocolSpec:
    """Any way over these stations: it may return, go round, prepare a station beforehand, and know limited waits.

    Args:
        draw: of hypothesis.
        stations: or kinds of them.
        single: those that work on one sample at a time: steps may hold them.
    """
    steps: list[StepSpec] = []
    recipe = draw(st.sampled_from([(), ("x",)]))
    number = draw(st.integers(1, 5))
    for index in range(number):
        before = steps[-1].name if steps else ""
        station = draw(st.sampled_from(stations))
        if draw(st.integers(0, 5)) == 0 and index < number - 1:
            rinse = StepSpec(
                name=f"rinse{index}", station=station, needs=(before,) if before else (), expected_s=20, sample=False,
                keeps=(station,), on_failure="ask",
            )  # fmt: skip
            steps.append(rinse)
            before = rinse.name
        apart = len(steps) > 1 and draw(st.integers(0, 6)) == 0
        loop = len(steps) > 0 and not apart and draw(st.integers(0, 4)) == 0
        kept = draw(st.sampled_from([(), (), (), ("a",), (stations[-1],)]))
        always = draw(st.integers(0, 5)) == 0
        steps.append(
            StepSpec(
                name=f"s{index}",
                station=station,
                needs=(steps[0].name,) if apart else (before,) if before else (),
                expected_s=draw(st.sampled_from([10, 60, 300])),
                sample=index == 0 or draw(st.integers(0, 7)) > 0,
                recipe=recipe,
                keeps=kept,
                max_wait_s=draw(st.sampled_from([None, None, 200, 2000])),
                when=When(result=f"{before}.rsd", op="<", value=0.5)
                if before and not loop and draw(st.integers(0, 5)) == 0 and not before.startswith("rinse")
                else None,
                repeat=Repeat(back_to=before, until=When(result=f"s{index}.rsd", op="<", value=0.5), at_most=2)
                if loop
                else None,
                retries=draw(st.integers(0, 1)),
                on_failure=draw(policies(skip=not (loop or always))),
                ask=questions_asked(draw),
                always=always,
            )
        )
    known = {step.station for step in steps}
    for index, one in enumerate(steps[:-1]):
        returns = any(later.station == one.station for later in steps[index + 1 :])
        if (
            returns
            and one.sample
            and one.station in single
            and draw(st.integers(0, 4)) == 0
            and not one.skipped_after
            and one.when is None
        ):
            steps[index] = one.model_copy(update={"holds": True})
    steps = [step.model_copy(update={"keeps": tuple(one for one in step.keeps if one in known)}) for step in steps]
    return way(*steps, afterwards=draw(st.sampled_from(["leaves", "leaves", "returns"])))


@st.composite
def preparations(draw: st.DrawFn, plan: Layout) -> ProtocolSpec | None:
    """What brings a lab to where it can measure, by moves of its own: it keeps positions, and warms a station."""
    if draw(st.integers(0, 3)):
        return None
    benches = [*plan.benches.values()]
    place, other = draw(st.sampled_from(benches)), draw(st.sampled_from(benches))
    sites = plan.sites_at(place.name, "vial")
    keeps = draw(st.sampled_from([sites[:1], sites, ("rack_1", sites[0])]))
    arm = next(iter(plan.carriers.values())).station
    steps = (
        step("warm", other.kind, on_failure="ask"),
        step("there", arm, keeps=keeps, on_failure="ask"),
        step("read", place.kind, needs=("there", "warm"), on_failure="ask"),
        step("back", arm, needs=("read",), on_failure="ask"),
    )
    results = (NumberResult(name="y", unit="1"),)
    valid_s = draw(st.sampled_from([0.0, 300.0, 86400.0]))
    return ProtocolSpec(name="q", version="1", title="Q", parameters=(), results=results, steps=steps, valid_s=valid_s)
