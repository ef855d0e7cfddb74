"""The suite `lift`: its things against formulas, its measures against cases made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impetus.backend.evaluation.lift import floaters, suite
from impetus.backend.evaluation.lift.plots import draw_ablation
from impetus.backend.evaluation.lift.summary import summary_of
from impetus.backend.evaluation.lift.things import AWAY, THINGS, Thing, camera, trace
from impetus.backend.stages.lifts.splats import INSET, Splats

BALL, BEAR, ROBOT = THINGS[0], THINGS[3], THINGS[4]
EPOCHS, SEEDS = 60, 3


def test_a_ball_is_traced_where_it_is() -> None:
    view = camera(64)
    seen = trace(BALL, view)
    assert seen.depth[32, 32] == pytest.approx(AWAY - 0.42, abs=5e-3)
    tangent = 0.42 / np.sqrt(AWAY**2 - 0.42**2)
    assert seen.mask.sum() == pytest.approx(np.pi * (tangent * view.intrinsics[0]) ** 2, rel=0.02)
    assert np.isinf(seen.depth[0, 0])
    assert (seen.color[seen.mask == 0] == 0).all()


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_no_distance_is_larger_than_the_true_one(thing: Thing) -> None:
    """Then nothing is stepped over: it changes by no more than the way, and is negative within."""
    rng = np.random.default_rng(0)
    here = rng.uniform(-0.6, 0.6, (4000, 3))
    there = here + 0.02 * rng.standard_normal(here.shape)
    way = np.linalg.norm(there - here, axis=1)
    # flattened forms are scaled by their largest slope
    assert (np.abs(thing.distance(here) - thing.distance(there)) / way).max() < 1.6
    assert thing.distance(here).min() < -0.03
    assert np.abs(here[thing.distance(here) < 0]).max() < 0.58


def test_the_order_of_depth_counts_pairs() -> None:
    truth = np.arange(100.0)
    assert suite.depth_order(3 * truth + 1, truth) == 1
    assert suite.depth_order(-truth, truth) == 0
    assert suite.depth_order(np.random.default_rng(1).random(100), truth) == pytest.approx(
        0.5, abs=0.1
    )


@pytest.fixture(scope="module")
def case() -> floaters.Case:
    patch = pytest.MonkeyPatch()
    patch.setattr(suite, "REFINED_SIZE", 48)
    patch.setattr(suite, "REFINED_SPLATS", 3000)
    patch.setattr(floaters, "COUNT", 800)
    made = suite.thing_case(BALL)
    yield made
    patch.undo()


def test_a_lift_by_true_depth_is_as_large_as_the_thing(case: floaters.Case) -> None:
    below = 2 * INSET * case.made.seen.metres_per_pixel
    body = case.made.splats
    assert np.ptp(body.mean, axis=0) + below == pytest.approx([0.84] * 3, rel=0.06)
    assert floaters.measured(case, body).floaters < 0.02


def test_a_splat_in_the_air_is_a_floater(case: floaters.Case) -> None:
    body = case.made.splats
    names = ("mean", "scale", "turn", "color", "opacity")
    one = {name: getattr(body, name)[:1] for name in names}
    one["mean"] = np.array([[0.6, 0.0, 0.3]], np.float32)
    one["scale"] = np.full((1, 3), 0.05, np.float32)
    more = Splats(*(np.concatenate([getattr(body, name), one[name]]) for name in names))
    before, after = (floaters.measured(case, splats).floaters for splats in (body, more))
    area = 2 * np.pi * 0.05**2 / (np.pi * 0.42**2)
    assert after - before == pytest.approx(area, rel=0.5)


def test_hard_depth_halves_the_floaters_of_colour_alone(
    case: floaters.Case, tmp_path: Path
) -> None:
    """Of coarse splats in a file, as the mean over bodies disturbed anew."""
    found = [floaters.ablation(case, EPOCHS, seed=seed) for seed in range(SEEDS)]
    mean = suite.mean_of(found)
    assert mean["hard depth"]["floaters"] < 0.5 * mean["colour"]["floaters"]
    assert mean["colour"]["match"] > mean["coarse"]["match"] + 3
    assert mean["hard depth"]["match"] > mean["coarse"]["match"] + 2
    draw_ablation({"ball": (case.picture, found[0])}, tmp_path / "floaters.png")
    assert (tmp_path / "floaters.png").stat().st_size > 10_000


def test_coarse_splats_are_read_where_they_were_disturbed(case: floaters.Case) -> None:
    """The form's depth places them: what they lack in sharpness moves them by little."""
    made = floaters.coarse_lift(case, case.options)
    given = floaters.coarse_of(case.made.splats, np.random.default_rng(0))
    assert len(made.splats) == len(given)
    away = np.linalg.norm(made.splats.mean - given.mean, axis=1)
    assert away.mean() < 0.05 * 0.84


def test_own_lifts_come_nearer_to_their_pictures(case: floaters.Case) -> None:
    """None is farther from it, and on average they are nearer."""
    gains = []
    for one in (case, suite.thing_case(BEAR), suite.thing_case(ROBOT)):
        match = suite.own_refined(one, EPOCHS)
        gains.append(match["after"] - match["before"])
    assert min(gains) >= 0  # those that would be farther stay as they were
    assert np.mean(gains) > 0.2


def test_the_summary_says_what_holds() -> None:
    figures: dict[str, Any] = {
        "mug": {
            "inflated": {"match": 33.0, "order": 0.8},
            "depth": {"match": 31.0, "order": 0.97},
            "coarse": {"colour": {"floaters": 0.2}, "hard depth": {"floaters": 0.08}},
            "own": {"before": 31.0, "after": 33.0},
        },
        "astronaut": {
            "inflated": {"match": 29.0, "order": float("nan")},
            "coarse": {"colour": {"floaters": 0.1}, "hard depth": {"floaters": 0.03}},
            "own": {"before": 29.0, "after": 29.0},
        },
    }
    found = summary_of(figures)
    assert found["least_match"] == 29.0
    assert found["order_inflated"] == {"mug": 0.8}
    assert found["floaters"] == pytest.approx({"mug": 0.4, "astronaut": 0.3})
    assert found["own_gains"] == {"least": 0.0, "mean": 1.0}
    assert all(found["holds"].values())
    figures["mug"]["depth"]["order"] = 0.94
    figures["astronaut"]["inflated"]["match"] = 27.9
    figures["astronaut"]["coarse"]["hard depth"]["floaters"] = 0.06
    figures["astronaut"]["own"]["after"] = 28.9
    assert not any(summary_of(figures)["holds"].values())
