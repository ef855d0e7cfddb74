"""The suite `lift`: its things against formulas, its measures against cases made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.evaluation.lift import floaters, suite
from impetus.backend.evaluation.lift.plots import draw_ablation
from impetus.backend.evaluation.lift.things import AWAY, THINGS, Thing, camera, trace
from impetus.backend.stages.lifts.splats import INSET, Splats

BALL = THINGS[0]


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
    made = suite.thing_case(BALL)
    yield made
    patch.undo()


def test_a_lift_by_true_depth_is_as_large_as_the_thing(case: floaters.Case) -> None:
    below = 2 * INSET * case.seen.metres_per_pixel
    assert np.ptp(case.body.mean, axis=0) + below == pytest.approx([0.84] * 3, rel=0.06)
    assert floaters._measured(case, case.body).floaters < 0.02


def test_a_splat_in_the_air_is_a_floater(case: floaters.Case) -> None:
    body = case.body
    names = ("mean", "scale", "turn", "color", "opacity")
    one = {name: getattr(body, name)[:1] for name in names}
    one["mean"] = np.array([[0.6, 0.0, 0.3]], np.float32)
    one["scale"] = np.full((1, 3), 0.05, np.float32)
    more = Splats(*(np.concatenate([getattr(body, name), one[name]]) for name in names))
    before, after = (floaters._measured(case, splats).floaters for splats in (body, more))
    area = 2 * np.pi * 0.05**2 / (np.pi * 0.42**2)
    assert after - before == pytest.approx(area, rel=0.5)


def test_hard_depth_leaves_fewer_floaters_than_colour_alone(
    case: floaters.Case, tmp_path: Path
) -> None:
    found = floaters.ablation(replace(case), 60)
    assert found["hard depth"].floaters < 0.8 * found["colour"].floaters
    assert found["colour"].match > found["coarse"].match + 3
    draw_ablation({"ball": (case.picture, found)}, tmp_path / "floaters.png")
    assert (tmp_path / "floaters.png").stat().st_size > 10_000
