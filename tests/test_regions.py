"""Regions of one body that differ: stiffness, density and pins by painted weights."""

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract import materials as m
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.regions import Group, Scale
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.acting import Acting
from impetus.backend.stages.bodies.laws import laws_of
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.simulate import simulate_key
from impetus.kernels.mpm.solver import MpmSolver, Tracers

from . import shots
from .mpm_cases import push

SMALL = s.RenderSettings(splats=200)
NO_TRACERS = Tracers(np.zeros((0, 3), np.float32), np.zeros(0, np.int32), np.zeros(0, bool))
LENGTH, SIDE = 0.5, 0.125
LOW = np.array([0.0, SIDE, SIDE])


def bar(places: list[float]) -> tuple[Array, Array]:
    """Return a closed bar along x with a ring of four corners at each place [m]."""
    ring = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]])
    vertices = np.array([[x, *yz] for x in places for yz in ring], np.float32)
    sides = [
        [[k + i, k + j, k + j + 4], [k + i, k + j + 4, k + i + 4]]
        for k in range(0, 4 * len(places) - 4, 4)
        for i, j in ((0, 1), (1, 2), (2, 3), (3, 0))
    ]
    last = 4 * len(places) - 4
    ends = [[0, 2, 1], [0, 3, 2], [last, last + 1, last + 2], [last, last + 2, last + 3]]
    return vertices, np.concatenate([np.reshape(sides, (-1, 3)), ends]).astype(np.int32)


def case(
    places: list[float], weights: list[float], *forces: f.Force, **fields: object
) -> tuple[s.Shot, ArraySet]:
    """A bar against the lower wall of a domain of 24 x 12 x 12 cells that sticks.

    Fields of the body that are pairs are scales by `weights`, which each ring has.
    """
    arrays = ArraySet()
    group = Group("Half", arrays.add(np.repeat(np.float32(weights), 4)))
    given = {k: Scale(group, *v) if isinstance(v, tuple) else v for k, v in fields.items()}
    body = shots.body(arrays, "Bar", bar(places), poses=shots.place(LOW), **given)
    box = s.Box((0, 0, 0), (0.75, 0.375, 0.375))
    settings = s.SimulationSettings(resolution=24, domain=box, walls="stick")
    shot = shots.shot(
        arrays, [body], simulation=settings, world=s.World(), render=SMALL, forces=forces
    )
    check_shot(shot, arrays)
    return shot, arrays


HALVES = [0.0, LENGTH / 2 - 1e-4, LENGTH / 2 + 1e-4, LENGTH], [0.0, 0.0, 1.0, 1.0]
RAMP = [0.0, LENGTH], [0.0, 1.0]


def test_a_bar_of_two_stiffnesses_extends_in_the_ratio_of_its_springs() -> None:
    """It hangs from a wall: strain = rho g (L - x) / E, in either half by its own E."""
    material = m.Elastic(1000.0, 1e5, 0.0)
    shot, arrays = case(*HALVES, stiffness_scale=(1.0, 3.0), material=material)
    matter = prepare(shot, arrays).matter
    assert sorted(law.young_modulus for law in matter.laws) == pytest.approx([1e5, 3e5])
    solver = MpmSolver(matter.domain, matter.laws, matter.particles, NO_TRACERS, (), None)
    start = solver.position().astype(float)[:, 0]
    gravity = 2.0
    heavy_air = push((gravity, 0, 0), wind=[((0, 0, 0), 60.0)])
    took = [solver.advance(0.1, heavy_air) for _ in range(5)]
    moved = solver.position().astype(float)[:, 0] - start
    strains = []
    for middle in (LENGTH / 4, 3 * LENGTH / 4):
        there = np.abs(start - middle) < 2 / 32
        strains.append(np.polyfit(start[there], moved[there], 1)[0])
        young = 1e5 if middle < LENGTH / 2 else 3e5
        exact = 1000 * gravity * (LENGTH - middle) / young
        assert strains[-1] == pytest.approx(exact, rel=0.04)
    assert strains[0] / strains[1] == pytest.approx(9, rel=0.04)
    # the step is that of the stiff half
    assert max(each.smallest_step for each in took) <= 0.4 / 32 / np.sqrt(3e5 / 1000)


def test_masses_are_the_integral_of_the_scaled_density() -> None:
    """Weights rise along the bar; near its ends the nearest surface is the end, of weight 0 or 1.

    With w = x / L + 1/2 elsewhere, sides of 1 and L = 4: the integral of w is half the volume, that
    of w x is L^2 / 12 + 1/48 - 1 / (120 L).
    """
    shot, arrays = case(*RAMP, density_scale=(0.5, 4.5), material=m.Elastic(1000.0, 1e5))
    matter = prepare(shot, arrays).matter
    mass = matter.particles.masses(matter.laws)
    volume, ratio = LENGTH * SIDE**2, LENGTH / SIDE
    assert mass.sum() == pytest.approx(1000 * volume * 2.5, rel=2e-3)
    moment = ratio**2 / 12 + 1 / 48 - 1 / 120 / ratio
    center = SIDE * (4.0 * moment / ratio) / 2.5
    x = matter.particles.position[:, 0].astype(float) - LENGTH / 2
    assert mass @ x / mass.sum() == pytest.approx(center, rel=5e-3)
    solver = MpmSolver(matter.domain, matter.laws, matter.particles, NO_TRACERS, (), None)
    assert solver.totals().mass == pytest.approx(mass.sum(), rel=1e-6)
    # no law is denser than its particles: it bounds the step
    density = np.array([law.density for law in matter.laws])[matter.particles.law]
    assert matter.particles.density is not None
    assert (density <= matter.particles.density * (1 + 1e-6)).all()


def test_laws_are_as_stiff_as_their_particles() -> None:
    rng = np.random.default_rng(3)
    stiffness = np.exp(rng.uniform(np.log(0.01), np.log(100), 5000))
    laws, index = laws_of(m.Metal(), stiffness, np.ones(5000))
    assert len(laws) < 500
    own = np.array([law.young_modulus for law in laws])[index] / m.Metal().young_modulus
    np.testing.assert_allclose(own, stiffness, rtol=0.02)
    shares = [law.yield_stress / law.young_modulus for law in laws]
    np.testing.assert_allclose(shares, m.Metal().yield_stress / m.Metal().young_modulus)
    (law,), index = laws_of(m.Water(), np.ones(7), np.ones(7))
    assert (law.bulk_modulus, law.density, index.tolist()) == (1e5, 1000.0, [0] * 7)


def test_the_stiffest_and_the_lightest_part_set_the_pace() -> None:
    material = m.Elastic(1000.0, 1e8)
    for fields in ({"stiffness_scale": (1.0, 900.0)}, {"density_scale": (1.0, 0.0012)}):
        shot, arrays = case(*RAMP, material=material, **fields)
        assert any("Bar: takes about" in text for text in prepare(shot, arrays).warnings)
    half = [0.0, 0.01]  # weights go up to a hundredth only
    shot, arrays = case(RAMP[0], half, material=material, stiffness_scale=(1.0, 900.0))
    assert not any("takes about" in text for text in prepare(shot, arrays).warnings)


def test_a_rigid_body_may_be_loaded() -> None:
    shot, arrays = case(*HALVES, material=m.Rigid(density=1000.0), density_scale=(1.0, 3.0))
    rigid = prepare(shot, arrays).matter.rigid
    assert rigid is not None
    mass, half = rigid.bodies[0].mass, LENGTH / 2 * SIDE**2
    assert mass.mass == pytest.approx(1000 * half * 4, rel=5e-3)
    center = (1 * LENGTH / 4 + 3 * 3 * LENGTH / 4) / 4
    assert mass.center == pytest.approx([center, SIDE / 2, SIDE / 2], rel=5e-3)
    parts = 1000 * half * np.array([1.0, 3.0])
    arms = np.array([LENGTH / 4, 3 * LENGTH / 4]) - center
    across = (parts * (((LENGTH / 2) ** 2 + SIDE**2) / 12 + arms**2)).sum()
    expected = np.diag([parts.sum() * SIDE**2 / 6, across, across])
    np.testing.assert_allclose(mass.inertia, expected, atol=0.01 * across)
    assert mass.volume == pytest.approx(2 * half, rel=1e-6)


def test_a_pin_holds_from_one_half_on_and_nothing_in_part() -> None:
    shot, arrays = case(*RAMP)
    for low, high in ((0.0, 1.0), (0.45, 0.95)):
        weights = arrays.add(np.repeat(np.float32([low, high]), 4))
        pin = f.Pin("Pin", "Bar", Group("Half", weights))
        pinned = shots.changed(shot, forces=(pin,))
        check_shot(pinned, arrays)
        particles = prepare(pinned, arrays).matter.particles
        (region,) = Acting(pinned, arrays, particles).regions
        x = particles.position[:, 0]
        from_here = LENGTH * (0.5 - low) / (high - low)
        # a triangle's corners are single precision, and near the ends the nearest surface is there
        assert x[region.particles].min() == pytest.approx(from_here, abs=SIDE / 16)
        assert len(region.particles) == pytest.approx((x > from_here).sum(), rel=0.03)


def test_a_simulation_depends_on_regions() -> None:
    keys = set()
    for scale in (None, (1.0, 2.0), (1.0, 3.0)):
        fields = {} if scale is None else {"stiffness_scale": scale}
        shot, arrays = case(*RAMP, **fields)
        keys.add(simulate_key(shot, arrays, prepare(shot, arrays)))
    assert len(keys) == 3


REFUSED = {
    "a rigid one": {"material": m.Rigid()},
    "got a static one": {"role": "static", "material": None},
    "a weight for each of 8 vertices": {"weights": np.zeros(3, np.float32)},
    "weights of 0 to 1, got 0 to 2": {"weights": np.float32([0, 1, 2, 0, 0, 0, 0, 0])},
    "expected finite": {"weights": np.full(8, np.nan, np.float32)},
}


@pytest.mark.parametrize("words", REFUSED)
def test_regions_that_cannot_be_are_named(words: str) -> None:
    shot, arrays = case(*RAMP, stiffness_scale=(1.0, 2.0))
    change = dict(REFUSED[words])
    (body,) = shot.bodies
    assert body.stiffness_scale is not None
    if (weights := change.pop("weights", None)) is not None:
        scale = Scale(Group("Half", arrays.add(weights)), 1.0, 2.0)  # type: ignore[arg-type]
        change["stiffness_scale"] = scale
    body = msgspec.structs.replace(body, **change)
    with pytest.raises(ShotError, match=f"Bar, regions of stiffness.*{words}"):
        check_shot(shots.changed(shot, bodies=(body,)), arrays)
