"""Sums over particles, body by body, against decompositions and against what matter keeps."""

import numpy as np
import pytest

from impetus.kernels.mpm.energy import damage, determinant, strain_of, stretches, volume_ratio
from impetus.kernels.mpm.materials.laws import WaterLaw
from impetus.kernels.mpm.totals import measure_bodies, sample_particles
from tests.mpm_cases import BREAD, CELL, CREAM, EARTH, EVERY, JELLY, PLASTICINE, SNOW, Lump, push
from tests.mpm_cases import make_solver as make

RNG = np.random.default_rng(7)


def strained(count: int, size: float) -> np.ndarray:
    return np.asarray(np.eye(3) + size * RNG.normal(size=(count, 3, 3)))


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-4, 0.1, 1.0, 30.0])
def test_stretches_are_singular_values(size: float) -> None:
    f = strained(500, size)
    exact = np.linalg.svd(f, compute_uv=False)
    np.testing.assert_allclose(stretches(f), exact, rtol=0, atol=2e-7 * exact.max())
    det = np.linalg.det(f)
    np.testing.assert_allclose(determinant(f), det, rtol=1e-10, atol=1e-13 * exact.max() ** 3)


def test_stretches_of_flat_and_doubly_stretched_matter() -> None:
    f = np.array([np.diag(d) for d in ((2, 2, 0), (3, 3, 1), (1, 1, 1), (5, 1, 1), (0, 0, 0))])
    turned = np.linalg.qr(RNG.normal(size=(5, 3, 3)))[0] @ f
    exact = np.sort(np.diagonal(f, axis1=1, axis2=2))[:, ::-1]
    np.testing.assert_allclose(stretches(turned), exact, atol=2e-7)


@pytest.mark.parametrize("name", EVERY)
def test_volume_is_that_of_uniform_compression(name: str) -> None:
    """What each law keeps of F = 0.99 I, held by no flow, has 0.99^3 of the volume at rest."""
    one = 0.99 * np.eye(3)[None]
    kept = {"water": np.full((1, 3, 3), 0.99**3), "cream": one @ one}.get(name, one)
    ratio = volume_ratio(EVERY[name], kept, np.zeros(1))
    assert ratio[0] == pytest.approx(0.99**3)
    strain = strain_of(EVERY[name], kept)
    assert strain[0] == pytest.approx(-np.log(0.99), rel=1e-6)


def test_plastic_volume_counts() -> None:
    one = np.eye(3)[None]
    assert volume_ratio(SNOW, one, np.array([-0.2]))[0] == pytest.approx(0.8)
    assert volume_ratio(EVERY["sand"], one, np.array([0.1]))[0] == pytest.approx(np.exp(0.1))


def test_damage_runs_from_whole_to_torn() -> None:
    tear = PLASTICINE.tear_strain
    np.testing.assert_allclose(damage(PLASTICINE, np.array([0, tear / 2, 2 * tear])), [0, 0.5, 1])
    start = BREAD.strength / BREAD.young_modulus
    found = damage(BREAD, np.array([0, start, start + BREAD.tear_strain / 2, 9.0]))
    assert found[0] == found[1] == 0
    assert 0 < found[2] < found[3] == 1
    assert not damage(JELLY, np.ones(3)).any()


def test_bodies_add_up_and_reading_changes_no_bit() -> None:
    lumps = [
        Lump((0.2, 0.3, 0.3), (0.4, 0.5, 0.5), JELLY, (1.0, 0.0, 0.0)),
        Lump((0.6, 0.3, 0.3), (0.8, 0.5, 0.5), CREAM, (0.0, -2.0, 0.0)),
    ]
    watched, alone = make(lumps, walls="open"), make(lumps, walls="open")
    for _ in range(2):
        watched.advance(1 / 96, push(EARTH))
        found = watched.body_totals(np.array(EARTH))
        sample = watched.sample(3)
        alone.advance(1 / 96, push(EARTH))
    for name, value in watched.checkpoint().items():
        assert value.tobytes() == alone.checkpoint()[name].tobytes(), name
    assert list(found) == [0, 1]
    whole = watched.totals()
    assert sum(one.count for one in found.values()) == whole.count == len(watched.position())
    for name in ("mass", "kinetic", "elastic", "volume"):
        total = sum(getattr(one, name) for one in found.values())
        assert total == pytest.approx(getattr(whole, name), rel=1e-12), name
    x, v = watched.position().astype(float), watched.velocity().astype(float)
    mine = np.arange(len(x)) < found[0].count
    mass = found[0].mass / found[0].count
    np.testing.assert_allclose(found[0].momentum, mass * v[mine].sum(axis=0), rtol=1e-6, atol=1e-9)
    height = mass * 9.81 * x[mine, 2].sum()
    assert found[0].gravity == pytest.approx(height, rel=1e-6)
    assert found[0].volume == pytest.approx(found[0].mass / JELLY.density, rel=1e-3)
    assert len(sample.position) == -(-len(x) // 3)
    np.testing.assert_allclose(sample.position, x[::3], atol=1e-6)
    np.testing.assert_allclose(sample.speed, np.linalg.norm(v[::3], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(sample.body, (~mine[::3]).astype(int))


def test_sums_and_looks_are_those_of_the_slow_formulas() -> None:
    """Every law, one body each, stretched, yielded and damaged, some frozen, in no order."""
    every = EVERY | {"honey": WaterLaw(1420, 1.5e5, 7, 6.0)}
    lumps = [Lump((0.2, 0.2, 0.2), (0.325, 0.325, 0.325), law) for law in every.values()]
    solver = make(lumps, walls="open")
    saved = solver.checkpoint()
    count, law = len(saved["particle_law"]), saved["particle_law"]
    f = strained(count, 0.1).astype(np.float32)
    f[law == list(every).index("cream")] @= f[law == list(every).index("cream")].swapaxes(1, 2)
    saved["particle_deformation"] = f
    saved["particle_history"] = RNG.uniform(0, 0.2, count).astype(np.float32)
    for name in ("velocity", "gradient"):
        shape = saved[f"particle_{name}"].shape
        saved[f"particle_{name}"] = RNG.normal(size=shape).astype(np.float32)
    saved["particle_law"][::7] = -1
    order = RNG.permutation(count)
    solver.restore(saved | {k: v[order] for k, v in saved.items() if k.startswith("particle_")})
    particles, at = solver._stepper.particles, solver._places()
    slow = measure_bodies(particles, at, solver._laws, CELL, np.array(EARTH))
    fast = solver.body_totals(np.array(EARTH))
    assert list(fast) == list(slow) == list(range(len(every)))
    for number, name in enumerate(every):
        for field, value in vars(slow[number]).items():
            found = getattr(fast[number], field)
            np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-9, err_msg=name + field)
    rows, sample = sample_particles(particles, at, solver._laws, 3), solver.sample(3)
    for field, value in vars(rows).items():
        there = sample.speed > 0
        np.testing.assert_allclose(getattr(sample, field)[there], value[there], atol=3e-7)
    np.testing.assert_array_equal(sample.body, rows.body)
