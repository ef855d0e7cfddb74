"""Motion in the plane of the picture: formulas against inversion, simulators against themselves."""

import numpy as np
import pytest

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.image_motions import (
    FlockMotion,
    LiquidMotion,
    ShiftMotion,
    SmokeMotion,
    SphereMotion,
    TurnMotion,
)
from impetus.backend.contract.image_motions import (
    SimulatedMotion as Settings,
)
from impetus.backend.contract.methods import Novelty
from impetus.backend.diffusion.flows.masks import PlaneGrid
from impetus.backend.diffusion.image_motion import SimulatedMotion, make_flow
from impetus.backend.diffusion.motion import to_backward

SIZE = (96, 64)
SMALL = {
    "smoke": SmokeMotion(resolution=32, buoyancy=6.0),
    "liquid": LiquidMotion(resolution=32),
    "flock": FlockMotion(count=8),
}


def simulated(settings: Settings, frames: int = 6, **more: object) -> SimulatedMotion:
    return SimulatedMotion(settings, ArraySet(), SIZE, frames, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        ShiftMotion((3.6, -1.0)),
        TurnMotion(0.3, 1.1),
        SphereMotion(),
        SphereMotion(axis=(1.0, 2.0, 0.5), center=(0.4, 0.6)),
    ],
)
def test_the_formulas_agree_with_the_inversion_of_their_forward_field(settings: Settings) -> None:
    step = simulated(settings).step(1)
    exact, covered = step.backward()
    found, reached = to_backward(step.forward, step.visible, step.nearness)
    assert (reached != covered).mean() < 0.012
    miss = np.linalg.norm(found - exact, axis=-1)[reached & covered]
    # At the limb of a ball the field between two pixels is not bilinear any more.
    assert np.quantile(miss, 0.98) < 0.06
    assert np.median(miss) < 0.005


def test_a_shift_of_a_cell_a_frame_is_new_in_a_strip() -> None:
    motion = simulated(ShiftMotion((0.0, 8.0))).motion(2)
    assert motion is not None
    assert (motion.novelty[:8] == 1).all()
    assert not motion.novelty[8:].any()
    np.testing.assert_array_equal(motion.backward, np.tile((0.0, -8.0), (64, 96, 1)))


def test_what_comes_round_the_ball_is_new_and_the_sky_is_not() -> None:
    settings = SphereMotion(radius=0.4)
    motion = simulated(settings).motion(1)
    assert motion is not None
    row = motion.novelty[32]
    away = np.arange(96) + 0.5 - 48
    assert not row[np.abs(away) > 26].any()
    # 18 degrees about the vertical: from the limb to R (1 - cos 18) on the side that comes up.
    fresh = np.flatnonzero(row)
    assert len(fresh) == pytest.approx(25.6 * (1 - np.cos(0.314159)), abs=1)
    assert fresh.min() > 48
    np.testing.assert_allclose(motion.backward[32, 48], (25.6 * np.sin(0.314159), 0), atol=0.3)


@pytest.mark.parametrize(
    "settings",
    [ShiftMotion((np.inf, 0.0)), SmokeMotion(vorticity=1e12), LiquidMotion(gravity=(0.0, np.nan))],
)
def test_numbers_out_of_proportion_are_named_at_once(settings: Settings) -> None:
    with pytest.raises(ShotError, match="expected numbers of up to"):
        simulated(settings).step(1)


def test_the_wildest_smoke_stays_finite() -> None:
    wild = SmokeMotion(resolution=24, vorticity=1e4, buoyancy=500.0)
    source = simulated(wild, frames=4)
    for k in range(1, 4):
        assert np.isfinite(source.step(k).forward).all()


def test_an_axis_of_no_length_is_named() -> None:
    with pytest.raises(ValueError, match="axis of some length"):
        simulated(SphereMotion(axis=(0.0, 0.0, 0.0))).step(1)


@pytest.mark.parametrize("name", SMALL)
def test_simulators_move_what_they_should_and_repeat_themselves(name: str) -> None:
    source = simulated(SMALL[name], seed=4)
    steps = [source.step(k) for k in range(1, 6)]
    assert np.abs(steps[-1].forward).max() > 0.5
    assert (np.abs(steps[-1].forward).max(-1) == 0).mean() > 0.4
    assert steps[-1].forward.dtype == np.float32
    again = source.step(2)
    np.testing.assert_array_equal(again.forward, steps[1].forward)
    np.testing.assert_array_equal(again.active, steps[1].active)
    other = simulated(SMALL[name], seed=5).step(2)
    assert (other.forward != again.forward).any()
    assert source.motion(0) is None
    with pytest.raises(IndexError, match="expected a frame of 1 to 5"):
        source.step(6)


def test_smoke_rises_from_where_the_mask_is() -> None:
    arrays, source = ArraySet(), np.zeros((64, 96), np.uint8)
    source[48:54, 20:30] = 1
    settings = SmokeMotion(source=arrays.add(source), resolution=48, buoyancy=6.0)
    flow = make_flow(settings, arrays, SIZE, 24.0, 0)
    for _ in range(16):
        step = flow.advance()
    rising = step.forward[..., 1] < -0.5
    rows, columns = np.nonzero(rising)
    assert 15 < columns.mean() < 35
    assert rows.min() < 40
    np.testing.assert_array_equal(step.active, source > 0)


def test_liquid_falls_and_its_cover_is_active() -> None:
    arrays, fluid = ArraySet(), np.zeros((64, 96), np.uint8)
    fluid[8:24, 40:56] = 1
    settings = LiquidMotion(fluid=arrays.add(fluid), resolution=48, gravity=(0.0, 2.0))
    flow = make_flow(settings, arrays, SIZE, 24.0, 0)
    fallen = 0.0
    for k in range(6):
        step = flow.advance()
        if k == 0:
            np.testing.assert_array_equal(step.active[10:22, 42:54], True)
            assert not step.active[:, :36].any()
        fallen += float(np.median(step.forward[step.active][:, 1]))
    assert fallen == pytest.approx(2.0 * 0.25**2 / 2 * 64, rel=0.1)
    backward, covered = step.backward()
    rest = ~step.active & covered
    assert not backward[rest].any()


def test_agents_carry_their_masks() -> None:
    arrays, agents = ArraySet(), np.zeros((64, 96), np.int32)
    agents[20:24, 20:26], agents[40:44, 60:66] = 5, 9
    settings = FlockMotion(agents=arrays.add(agents), speed=3.0)
    step = make_flow(settings, arrays, SIZE, 24.0, 1).advance()
    moving = np.abs(step.forward).max(-1) > 0
    np.testing.assert_array_equal(moving, agents > 0)
    speed = np.linalg.norm(step.forward[moving], axis=-1)
    assert 1.4 < speed.min() < speed.max() < 4.6
    assert len(np.unique(step.forward[agents == 5], axis=0)) == 1


def test_rules_decide_what_is_new() -> None:
    quiet = Novelty(active=False, out_of_frame=False, disoccluded=False, floor=0.1)
    motion = simulated(SMALL["liquid"], rules=quiet).motion(2)
    assert motion is not None
    np.testing.assert_allclose(motion.novelty, 0.1)
    papers = simulated(TurnMotion(0.3), backward="semi-lagrangian")
    motion = papers.motion(1)
    assert motion is not None
    np.testing.assert_array_equal(motion.backward, -papers.step(1).forward)


def test_masks_go_to_cells_by_their_share() -> None:
    grid, mask = PlaneGrid((96, 64), 24), np.zeros((64, 96), bool)
    mask[8:16, 4:10] = True
    share = grid.share(mask)
    assert share.shape == (24, 16)
    assert share.sum() * 16 == mask.sum()
    assert share[1, 2] == 1
    assert share[2, 3] == 0.5
    fine = PlaneGrid((96, 64), 192).share(mask)
    assert fine.shape == (192, 128)
    assert fine.sum() / 4 == mask.sum()
    assert PlaneGrid((97, 64), 24).shape == (24, 16)
