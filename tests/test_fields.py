"""Force fields: the kernels against a slow twin of Blender's formulas; noise, gusts, dispatch."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.stages.acting import kernel_field
from impetus.kernels.blender_noise import PERMUTATION, gust
from impetus.kernels.fields import Field, accelerations, field_table

from . import shots
from .reference_fields import acceleration, noise

Array = NDArray[Any]

TURN = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
TURN = TURN * np.sign(np.linalg.det(TURN))
PLACE = (0.3, -0.2, 0.1)
NUMBERS = np.array(PERMUTATION)


def points(count: int = 300) -> tuple[Array, Array]:
    rng = np.random.default_rng(4)
    return rng.uniform(-2, 2, (count, 3)), rng.normal(0, 2, (count, 3))


def compare(arrays: ArraySet, field: f.Field) -> None:
    shot = shots.changed(shots.shot(arrays, ()), forces=(field,))
    x, v = points()
    found = accelerations([kernel_field(shot, arrays, field, 1, 1)], x, v)  # type: ignore[arg-type]
    expected = acceleration(field, arrays, 0, x, v, NUMBERS)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
    assert np.abs(expected).max() > 0.1


def base(arrays: ArraySet, strength: float = 1.7) -> tuple[str, Any, Any]:
    pose = arrays.add(shots.place(PLACE, TURN)[None])
    return "Field", pose, arrays.add(np.array([strength]))


FALLOFFS = [
    f.Falloff(),
    f.Falloff(power=1.5, nearest=0.4, farthest=2.5),
    f.Falloff("tube", power=1.0, farthest=1.8, radial_power=2.0, radial_nearest=0.3),
    f.Falloff("tube", "positive", radial_farthest=1.0),
    f.Falloff("cone", power=1.0, radial_power=0.5, radial_nearest=10.0, radial_farthest=60.0),
    f.Falloff("sphere", "negative", power=0.5),
]


@pytest.mark.parametrize("kind", f.Field.__args__)
@pytest.mark.parametrize("falloff", FALLOFFS)
@pytest.mark.parametrize("unit", [1.0, 0.5])
def test_kernels_equal_the_twin(kind: type[f.Field], falloff: f.Falloff, unit: float) -> None:
    arrays = ArraySet()
    shapes = ["point", "plane"] if kind is f.Vortex else ["point", "line", "plane"]
    more: dict[str, Any] = {
        f.Turbulence: {"size": 0.7},
        f.Drag: {"linear": 0.3},
        f.Harmonic: {"rest_length": 0.6, "damping": 0.2},
    }.get(kind, {})  # type: ignore[call-overload]
    if kind not in (f.Drag, f.Harmonic):
        more["flow"] = 0.4
    for shape in shapes:
        options = {"shape": shape, "falloff": falloff, "unit": unit, **more}
        compare(arrays, kind(*base(arrays), **options))


def test_turbulence_stays_in_the_world_if_it_is_global() -> None:
    arrays = ArraySet()
    compare(arrays, f.Turbulence(*base(arrays), size=0.9, is_global=True))


def test_several_fields_add_up() -> None:
    x, v = (a.astype(np.float32) for a in points())
    each = [
        Field("force", PLACE, TURN[:, 2], 2.0, power=1.0),
        Field("drag", PLACE, TURN[:, 2], 0.4, damping=0.2),
        Field("turbulence", PLACE, TURN[:, 2], 3.0, size=0.5),
    ]
    alone = sum(accelerations([one], x, v) for one in each)
    np.testing.assert_allclose(accelerations(each, x, v), alone, rtol=1e-4, atol=1e-4)


def test_noise_is_zero_on_the_lattice_repeats_and_has_perlins_spread() -> None:
    lattice = np.array(list(itertools.product(range(3), repeat=3)), float)
    np.testing.assert_allclose(noise(lattice, NUMBERS), 0, atol=1e-12)
    p = np.random.default_rng(0).uniform(0, 256, (20000, 3))
    values = noise(p, NUMBERS)
    np.testing.assert_allclose(
        noise(p[:50] + np.array([256, 0, 0]), NUMBERS), values[:50], atol=1e-9
    )
    assert abs(values.mean()) < 0.01
    assert 0.1 < values.std() < 0.25
    assert np.abs(values).max() < 1.0
    assert sorted(PERMUTATION) == list(range(256))


def test_gusts_are_blenders_and_spread_as_they_should() -> None:
    # What Blender 5.0.1 does to a lone particle in wind of noise 1: seed 1 in frames 2 to 5.
    measured = [-0.07546, 0.36366, 0.7795, -0.21334]
    np.testing.assert_allclose([gust(1 + frame) for frame in (2, 3, 4, 5)], measured, atol=1e-5)
    many = np.array([gust(seed) for seed in range(4000)])
    assert many.min() >= -64 / 128
    assert many.max() <= 127 / 128
    assert many.mean() == pytest.approx(0.168, abs=0.02)


def test_fields_move_between_two_moments() -> None:
    start = Field("wind", (0, 0, 0), (0, 0, 1), 2.0, power=1.0)
    end = Field("wind", (1, 0, 0), (1, 0, 0), 4.0, power=3.0)
    (row,) = field_table([start], [end], 0.5)
    x = np.zeros((1, 3), np.float32)
    half = Field("wind", (0.5, 0, 0), np.array([1, 0, 1]) / np.sqrt(2), 3.0, power=2.0)
    np.testing.assert_allclose(row, half.row(), atol=1e-6)
    assert accelerations([half], x, x)[0, 0] == pytest.approx(3 / 1.5**2 / np.sqrt(2), rel=1e-5)


def test_only_even_wind_is_taken_as_one_for_all() -> None:
    wind = Field("wind", (0, 0, 0), (0, 0, 1), 2.0, nearest=1.0)
    assert wind.is_uniform
    for other in (
        Field("wind", (0, 0, 0), (0, 0, 1), 2.0, power=1.0),
        Field("wind", (0, 0, 0), (0, 0, 1), 2.0, farthest=5.0),
        Field("wind", (0, 0, 0), (0, 0, 1), 2.0, side="positive"),
        Field("wind", (0, 0, 0), (0, 0, 1), 2.0, falloff="tube", radial_power=1.0),
        Field("force", (0, 0, 0), (0, 0, 1), 2.0),
    ):
        assert not other.is_uniform
