"""Gas as Gaussians: what they hide, how many there are, how they move, glow and are lit."""

import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.air import Gas, GasLooks
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.stages.air.light import flame_lamps, lit_gas
from impetus.backend.stages.air.rows import Rows, with_gas
from impetus.backend.stages.air.splats import (
    COARSEST,
    flame_extinction,
    flame_radiance,
    gas_splats,
    split_blocks,
)
from impetus.backend.stages.air.veil import veil_of
from impetus.backend.stages.images.lamps import lamps_at
from impetus.kernels.splats.project import SplatPose, View
from impetus.kernels.splats.raster import Passes, render_splats

from . import shots
from .air_cases import emitter, gas_frame


def shot_with(looks: GasLooks | None = None, **fields: object) -> tuple[s.Shot, ArraySet]:
    arrays = ArraySet()
    gas = Gas(looks=looks or GasLooks())
    return shots.shot(arrays, [], emitters=(emitter(arrays),), gas=gas, **fields), arrays


def pictured(splats, color=None, *, size: int = 48) -> Passes:  # type: ignore[no-untyped-def]
    """Seen from 3 m away, along +y."""
    view = View(
        shots.look_at((0, -3, 0), (0, 0, 0)), np.array([60.0, 60, 24, 24]), size, size, 0.1, 9
    )
    none = SplatPose(np.zeros((0, 3), np.float32), np.zeros((0, 3, 3), np.float32))
    empty = np.zeros((0, 3), np.float32)
    rows = Rows(none, empty, empty[:, 0], empty, np.zeros(0, np.int32), none, none)
    color = np.ones_like(splats.mean) if color is None else color
    rows = with_gas(rows, splats, color, index=7)
    return render_splats(
        rows.pose, view, color=rows.color, opacity=rows.opacity, normal=rows.normal,
        index=rows.index, before=(rows.before, view), after=(rows.after, view),
    )  # fmt: skip


def test_nothing_backs_gas() -> None:
    shot, _ = shot_with()
    gas = gas_splats(shot, gas_frame(np.ones((12, 6, 12), np.float32)), None, None)
    one = np.ones((1, 3), np.float32)
    pose = SplatPose(one, np.eye(3, dtype=np.float32)[None], one[:, 0])
    rows = Rows(pose, one, one[:, 0], one, np.zeros(1, np.int32), pose, None)
    joined = with_gas(rows, gas, gas.albedo, index=1).pose
    assert joined.backing is not None
    assert joined.backing[0] == 1
    assert not joined.backing[1:].any()
    assert len(joined.backing) == len(joined.mean) > 1


@pytest.mark.parametrize("thickness", [0.3, 2.0, 8.0])
def test_a_slab_hides_as_much_as_its_extinction_says(thickness: float) -> None:
    smoke = np.full((12, 6, 12), thickness, np.float32)
    shot, _ = shot_with()
    passes = pictured(gas_splats(shot, gas_frame(smoke), None, None))
    middle = passes.alpha[20:28, 20:28]
    # the rasteriser leaves out what is fainter than 1/255: of thin smoke, the rims of its splats
    assert middle.mean() == pytest.approx(1 - np.exp(-0.6 * thickness), rel=0.1)
    assert np.ptp(middle) < 0.04
    assert passes.index[24, 24] == 7
    assert 2.7 < passes.depth[24, 24] < 3.05


def test_no_more_blocks_than_asked_for_and_small_ones_where_it_matters() -> None:
    rng = np.random.default_rng(1)
    smoke = np.full((24, 24, 24), 2.0, np.float32)
    smoke[:8, :8, :8] = rng.uniform(0, 40, (8, 8, 8))
    flame = np.zeros_like(smoke)
    blocks = split_blocks(smoke, flame, 0.1, 10_000)
    rough = (blocks.corner < 8).all(axis=1)
    assert blocks.edge[rough].max() == 1
    assert blocks.edge[~rough].min() == COARSEST
    assert (blocks.edge**3).sum() == 24**3
    np.testing.assert_allclose((blocks.mean(smoke) * blocks.edge**3).sum(), smoke.sum(), rtol=1e-4)
    for most in (400, 230, 50):
        assert len(split_blocks(smoke, flame, 0.1, most).edge) <= most


def test_gas_moves_on_the_screen_as_its_velocity_says() -> None:
    """0.48 m/s at 24 frames a second are 0.02 m in a frame: 0.4 px at 3 m and f = 60."""
    smoke = np.zeros((12, 12, 12), np.float32)
    smoke[3:9, 3:9, 3:9] = 60.0
    frames = [gas_frame(smoke, number=n, spacing=0.1, velocity=(0.48, 0, 0.24)) for n in (1, 2, 3)]
    shot, _ = shot_with()
    splats = gas_splats(shot, frames[1], frames[0], frames[2])
    np.testing.assert_allclose(
        splats.after - splats.mean, [[0.02, 0, 0.01]] * len(splats.mean), atol=1e-6
    )
    passes = pictured(splats)
    depth = passes.depth[24, 24]
    np.testing.assert_allclose(
        passes.forward[20:28, 20:28],
        np.broadcast_to([1.2 / depth, -0.6 / depth], (8, 8, 2)),
        atol=0.01,
    )
    np.testing.assert_allclose(passes.backward[24, 24], -passes.forward[24, 24], atol=0.01)


def test_a_whirl_moves_round() -> None:
    """A solid turn of 2 rad/s about y: after a frame every place has turned by 1/12 rad."""
    n, h = 16, 0.1
    smoke = np.full((n, 3, n), 5.0, np.float32)
    frame = gas_frame(smoke, spacing=h)
    x = (np.arange(n + 1) - n / 2) * h
    frame.velocity[..., 0] = 2 * (x + h / 2)[None, None, :]
    frame.velocity[..., 2] = -2 * (x + h / 2)[:, None, None]
    shot, _ = shot_with(GasLooks(splats=5000))
    splats = gas_splats(shot, frame, None, frame)
    inner = np.linalg.norm(splats.mean[:, [0, 2]], axis=1) < 0.5
    turn = 2 / 24
    expected = splats.mean[:, [0, 2]] @ np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    np.testing.assert_allclose(splats.after[inner][:, [0, 2]], expected[inner], atol=1e-5)


def test_flames_glow_from_red_to_yellow_with_the_heat() -> None:
    gas = Gas()
    heat = np.array([300.0, 800.0, 1500.0], np.float32)
    thick = flame_extinction(heat, gas)
    assert thick[0] == 0
    assert thick[2] == pytest.approx(gas.looks.flame_density)
    light = flame_radiance(heat, gas)
    assert (np.diff(light[:, 0]) > 0).all()
    assert light[2, 0] == pytest.approx(gas.looks.flame_brightness)
    assert (light[:, 0] > light[:, 1]).all()
    assert (light[:, 1] > light[:, 2]).all()
    assert light[2, 1] / light[2, 0] > 2 * light[1, 1] / light[1, 0]


def test_smoke_shades_itself_from_the_lamp() -> None:
    shot, arrays = shot_with()
    smoke = np.full((10, 10, 10), 15.0, np.float32)
    frame = gas_frame(smoke)
    splats = gas_splats(shot, frame, None, None)
    lamps = [(lamp, None) for lamp in lamps_at(shot, arrays, 1)]
    light = lit_gas(shot, splats, lamps, veil=veil_of(shot, frame), eye=np.array([0, -3.0, 0]))
    top, bottom = splats.mean[:, 2] > 0.3, splats.mean[:, 2] < -0.3
    assert light[top].mean() > 1.4 * light[bottom].mean()
    # no more than a white surface that faces the sun shows
    assert light.max() < 3.0 / np.pi + 0.05
    assert (light > 0).all()


def test_thin_smoke_is_as_bright_as_its_octaves_let_it_be() -> None:
    """The albedo times E / (4 pi), isotropic, and three times three quarters of the one before."""
    shot, arrays = shot_with(GasLooks(anisotropy=0.0), world=s.World(ambient=(0, 0, 0)))
    smoke = np.zeros((8, 8, 8), np.float32)
    smoke[3:5, 3:5, 3:5] = 0.2
    frame = gas_frame(smoke)
    splats = gas_splats(shot, frame, None, None)
    lamps = [(lamp, None) for lamp in lamps_at(shot, arrays, 1)]
    light = lit_gas(shot, splats, lamps, veil=veil_of(shot, frame), eye=np.array([0, -3.0, 0]))
    np.testing.assert_allclose(
        light, 0.6 * 3 / (4 * np.pi) * (1 + 0.75 + 0.75**2 + 0.75**3), rtol=0.03
    )


def test_flames_light_what_is_around_as_much_as_they_shine() -> None:
    """All lamps together send what all Gaussians do; a hot ball lights a plane beneath it red."""
    shot, _ = shot_with()
    smoke = np.zeros((8, 8, 8), np.float32)
    cold = gas_splats(shot, gas_frame(smoke + 3.0), None, None)
    assert flame_lamps(cold) == []
    splats = gas_splats(shot, gas_frame(smoke, heat=1400.0), None, None)
    lamps = flame_lamps(splats)
    assert len(lamps) == 3
    sent = (splats.emission[:, 0] * splats.opacity * 2 * np.pi * splats.sigma**2).sum()
    shone = sum(lamp.light.power * lamp.light.color[0] / (4 * np.pi) for lamp in lamps)
    assert shone == pytest.approx(sent, rel=1e-4)
    heights = [lamp.position[2] for lamp in lamps]
    assert heights == sorted(heights)
    np.testing.assert_allclose(np.mean([lamp.position for lamp in lamps], axis=0), 0, atol=0.03)
