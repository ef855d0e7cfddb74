"""A body with fitted splats in a shot: where they stand, what they look like, what is refused."""

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.spatial.transform import Rotation

from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.fits.fitted import Fitted
from impetus.backend.contract.materials import Water
from impetus.backend.contract.shot import Shot
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.bodies.fitted import rotations
from impetus.backend.stages.bodies.prepare import estimate, prepare

from . import shots

COUNT = 2000


def numbers(seed: int = 0) -> dict[str, Array]:
    """Fitted splats on the falling cube's surface, 0.4 m wide."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-0.2, 0.2, (COUNT, 3))
    side = rng.integers(0, 3, COUNT)
    mean[np.arange(COUNT), side] = np.where(rng.random(COUNT) < 0.5, -0.2, 0.2)
    turn = rng.normal(size=(COUNT, 4))
    found = {
        "mean": mean,
        "scale": rng.uniform(0.005, 0.02, (COUNT, 3)) * (1, 1, 0.01),
        "turn": turn,
        "color": rng.random((COUNT, 3)),
        "opacity": rng.uniform(0.1, 1, COUNT),
    }
    return {name: array.astype(np.float32) for name, array in found.items()}


def fitted_cube(**changes: Array) -> tuple[Shot, ArraySet]:
    shot, arrays = shots.falling_cube()
    cube, floor = shot.bodies
    fit = Fitted(**{name: arrays.add(array) for name, array in (numbers() | changes).items()})
    return replace(shot, bodies=(replace(cube, fit=fit), floor)), arrays


def test_fitted_splats_stand_in_the_place_of_the_surfaces() -> None:
    shot, arrays = fitted_cube()
    check_shot(shot, arrays)
    prepared, given = prepare(shot, arrays), numbers()
    mine = np.flatnonzero(prepared.looks.body == 0)
    assert estimate(shot, arrays).splats >= len(mine) > COUNT  # and those that fill the cube
    outer, inner = mine[:COUNT], mine[COUNT:]
    np.testing.assert_allclose(prepared.rest_mean[outer], given["mean"] + (0, 0, 0.8), atol=1e-6)
    np.testing.assert_array_equal(prepared.looks.albedo[outer], given["color"])
    np.testing.assert_array_equal(prepared.looks.opacity[outer], given["opacity"])
    assert prepared.looks.lit[outer].all()
    turn = Rotation.from_quat(given["turn"][:, [1, 2, 3, 0]]).as_matrix()
    expected = turn * given["scale"][:, None, :]
    np.testing.assert_allclose(prepared.rest_axes[outer], expected, atol=1e-8)
    outward = (prepared.rest_normal[outer] * given["mean"]).sum(axis=1)
    np.testing.assert_allclose(outward, 0.2, atol=1e-6)  # the cube's faces are 0.2 m away
    assert not prepared.looks.lit[inner].any()
    assert np.abs(prepared.rest_mean[inner] - (0, 0, 0.8)).max() < 0.2
    assert set(outer) <= set(prepared.tracer_splat)


def test_unlit_fits_are_lit_by_the_shot() -> None:
    shot, arrays = fitted_cube()
    cube, floor = shot.bodies
    shot = replace(shot, bodies=(replace(cube, fit=replace(cube.fit, lit=False)), floor))
    assert not prepare(shot, arrays).looks.lit.any()


def test_turns_are_those_of_their_quaternions() -> None:
    given = np.random.default_rng(0).normal(size=(50, 4))
    expected = Rotation.from_quat(given[:, [1, 2, 3, 0]]).as_matrix()
    np.testing.assert_allclose(rotations(given), expected, atol=1e-12)


WRONG = {
    "NaN": ("mean", lambda a: np.where(np.arange(len(a))[:, None] == 7, np.nan, a), "finite"),
    "no size": ("scale", lambda a: 0 * a, "sizes above zero"),
    "no turn": ("turn", lambda a: 0 * a, "turns with a length"),
    "dark": ("color", lambda a: a - 2, "colours from zero up"),
    "too opaque": ("opacity", lambda a: a + 1, "opacities of 0 to 1"),
    "too few": ("color", lambda a: a[:-1], "expected color"),
    "none": ("mean", lambda a: a[:0], "expected 1 to"),
    "doubles as integers": ("opacity", lambda a: np.ones(len(a), np.int32), "expected opacity"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_shown_is_refused_in_one_sentence(what: str) -> None:
    name, change, words = WRONG[what]
    array = change(numbers()[name])
    shot, arrays = fitted_cube(**{name: array if array.dtype.kind == "i" else array.astype("f4")})
    with pytest.raises(ShotError, match=words) as raised:
        check_shot(shot, arrays)
    assert "Cube" in str(raised.value)


def test_what_flows_has_no_fitted_splats() -> None:
    shot, arrays = fitted_cube()
    cube, floor = shot.bodies
    shot = replace(shot, bodies=(replace(cube, material=Water()), floor))
    with pytest.raises(ShotError, match="what flows"):
        check_shot(shot, arrays)
