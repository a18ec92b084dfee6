"""Volumes give the composition that was asked for, exactly, or a nearest one is named that can be made."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from labwright.model.errors import ConfigError, InfeasibleError, OutOfRangeError
from protocols.formulation import MOLALITY_LIMIT, STOCKS, Composition, Stock, composition_of, feasible, solve_volumes

DENSITY = {stock.name: stock.density_g_per_ml for stock in STOCKS}
# The resolution of a campaign; on this grid, inside the limit, no droplet below 20 µL is needed in 6 mL.
targets_on_grid = st.builds(
    lambda m, ec, share: Composition(m / 100, ec / 200, share / 100),
    st.integers(14, 200), st.integers(60, 100), st.integers(0, 100),
)  # fmt: skip
any_target = st.builds(Composition, st.floats(0.0, 3.0), st.floats(0.0, 0.9), st.floats(0.0, 1.0))


def makes(volumes_ul: dict[str, float]) -> Composition:
    return composition_of({name: volume / 1000 * DENSITY[name] for name, volume in volumes_ul.items()})


def assert_same(made: Composition, target: Composition) -> None:
    assert made.molality == pytest.approx(target.molality, abs=1e-7)
    assert made.ec_fraction == pytest.approx(target.ec_fraction, abs=1e-7)
    assert made.dmc_share == pytest.approx(target.dmc_share, abs=1e-7)


@settings(deadline=None)
@given(targets_on_grid)
def test_every_target_on_the_grid_inside_the_limit_is_made_exactly(target: Composition) -> None:
    if MOLALITY_LIMIT.excess(target.as_params()) > 0:
        highest = math.floor(149 + 50 * target.dmc_share + 1e-9) / 100
        target = Composition(highest, target.ec_fraction, target.dmc_share)
    volumes = solve_volumes(target, 6000.0)
    assert_same(makes(volumes), target)
    assert math.isclose(sum(volumes.values()), 6000.0, rel_tol=1e-9)
    assert min(volumes.values()) >= 20.0
    assert len(volumes) <= 5


@settings(deadline=None)
@given(*(st.integers(0, 10_000) for _ in range(3)))
def test_all_inside_the_limit_is_feasible_where_any_droplet_can_be_dosed(part: int, ec: int, share: int) -> None:
    dmc_share = share / 10_000
    molality = part / 10_000 * (MOLALITY_LIMIT.bound + 0.5 * dmc_share)
    assert feasible(Composition(molality, 0.3 + 0.2 * ec / 10_000, dmc_share), min_volume_ul=0.0)


def test_the_limit_gives_away_as_much_as_it_says() -> None:
    wasted = []
    for ec, share in [(0.3, 0.45), (0.5, 0.45), (0.41, 0.0), (0.41, 1.0), (0.41, 0.45)]:
        step = 0.0005
        molality = MOLALITY_LIMIT.bound + 0.5 * share
        while feasible(Composition(molality + step, ec, share), min_volume_ul=0.0):
            molality += step
        wasted.append(molality - MOLALITY_LIMIT.bound - 0.5 * share)
    assert wasted[:4] == pytest.approx([0.01] * 4, abs=6e-4)
    assert wasted[4] == pytest.approx(0.0505, abs=0.001)


@settings(deadline=None, max_examples=50)
@given(any_target, st.sampled_from([0.0, 20.0, 200.0]))
def test_whatever_is_asked_is_made_exactly_or_refused_with_something_that_can_be_made(
    target: Composition, min_volume_ul: float
) -> None:
    try:
        volumes = solve_volumes(target, 6000.0, min_volume_ul=min_volume_ul)
    except InfeasibleError as refusal:
        nearest = Composition(**refusal.nearest)
        assert nearest != target
        assert not feasible(target, min_volume_ul=min_volume_ul)
        target, volumes = nearest, solve_volumes(nearest, 6000.0, min_volume_ul=min_volume_ul)
    assert_same(makes(volumes), target)
    assert min(volumes.values()) >= min_volume_ul * (1 - 1e-9)


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        (Composition(2.0, 0.3, 0.5), Composition(1.75, 0.3, 0.5)),
        (Composition(1.0, 0.2, 0.5), Composition(1.0, 0.3, 0.5)),
        (Composition(1.0, 0.6, 0.5), Composition(1.0, 0.5, 0.5)),
        (Composition(2.5, 0.4, 1.0), Composition(2.0, 0.4, 1.0)),
    ],
)
def test_the_nearest_moves_only_what_must_move(target: Composition, nearest: Composition) -> None:
    with pytest.raises(InfeasibleError, match="cannot be made as 6000 µL") as caught:
        solve_volumes(target, 6000.0)
    assert caught.value.nearest == pytest.approx(nearest.as_params(), abs=1e-6)


def test_a_target_that_needs_a_droplet_is_moved_to_the_face() -> None:
    target = Composition(1.0, 0.3, 0.999)
    assert feasible(target, min_volume_ul=0.0)
    with pytest.raises(InfeasibleError) as caught:
        solve_volumes(target, 6000.0)
    assert caught.value.nearest == pytest.approx({"molality": 1.0, "ec_fraction": 0.3, "dmc_share": 1.0}, abs=1e-6)


def test_a_stock_itself_is_one_pipetting() -> None:
    assert solve_volumes(Composition(2.0, 0.5, 1.0), 1900.0) == {"DMC_EC_50_50_LiPF6_2": pytest.approx(1900.0)}


@pytest.mark.parametrize("stock", STOCKS, ids=lambda stock: stock.name)
def test_a_stock_alone_has_its_own_composition(stock: Stock) -> None:
    made = composition_of({stock.name: 2.5})
    assert made.molality == pytest.approx(stock.molality)
    assert made.ec_fraction == pytest.approx(stock.solvents["EC"])
    assert made.dmc_share == pytest.approx(1.0 if "DMC" in stock.solvents else 0.0)


def test_the_errors_of_a_weighed_composition_are_those_of_repeated_weighings() -> None:
    masses = {"DMC_EC_70_30": 2.0, "DMC_EC_50_50_LiPF6_2": 3.0, "EC_EMC_30_70_LiPF6_1_5": 1.5}
    rng = np.random.default_rng(1)
    sd = 0.002
    repeats = [
        composition_of({name: mass + sd * (rng.normal() - rng.normal()) for name, mass in masses.items()})
        for _ in range(3000)
    ]
    stated = composition_of(masses, reading_sd_g=sd)
    for name in ("molality", "ec_fraction", "dmc_share"):
        spread = float(np.std([getattr(made, name) for made in repeats]))
        assert spread == pytest.approx(getattr(stated, f"{name}_sd"), rel=0.06)


@pytest.mark.parametrize(
    ("masses", "error", "says"),
    [
        ({"DMC_EC_70_3": 1.0}, ConfigError, "did you mean 'DMC_EC_70_30'?"),
        ({"DMC_EC_70_30": -0.1}, OutOfRangeError, "DMC_EC_70_30 is -0.1 g"),
        ({"DMC_EC_70_30": math.nan}, OutOfRangeError, "is nan g"),
        ({}, OutOfRangeError, "no DMC or EMC was weighed in"),
        ({"DMC_EC_70_30": 0.0}, OutOfRangeError, "no DMC or EMC was weighed in"),
    ],
)
def test_masses_that_make_nothing_are_refused(masses: dict[str, float], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        composition_of(masses)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("target", "total"),
    [
        (Composition(-1.0, 0.4, 0.5), 6000.0),
        (Composition(math.nan, 0.4, 0.5), 6000.0),
        (Composition(1.0, 1.0, 0.5), 6000.0),
        (Composition(1.0, 0.4, 0.5), 0.0),
    ],
)
def test_a_target_that_is_no_composition_is_refused(target: Composition, total: float) -> None:
    with pytest.raises(OutOfRangeError, match="nothing can be made of"):
        solve_volumes(target, total)


def test_a_least_volume_above_the_total_is_told() -> None:
    with pytest.raises(ConfigError, match="use a larger total volume"):
        solve_volumes(Composition(1.0, 0.4, 0.5), 10.0, min_volume_ul=20.0)


def test_a_stock_whose_solvents_are_not_whole_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"sum to 0\.9, not 1"):
        Stock(name="x", solvents={"EC": 0.3, "DMC": 0.6}, molality=0.0, density_g_per_ml=1.1)
