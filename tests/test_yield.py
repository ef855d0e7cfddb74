"""Where laws yield, flow, harden, soften and crack: exactly where they say so."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    SandLaw,
    SnowLaw,
    lame,
)

from .reference_materials import crack_damage, deformations
from .test_laws import respond

Array = NDArray[Any]
STEEL = MetalLaw(1000, 1e6, 0.3, yield_stress=1e4, hardening_modulus=5e4)
PERFECT = MetalLaw(1000, 1e6, 0.3, yield_stress=1e4, hardening_modulus=0.0)
PLASTICINE = PlasticineLaw(1700, 1e6, 0.4, yield_stress=2e4, tear_strain=0.5)
BREAD = BrittleLaw(200, 2e3, 0.3, strength=200.0, tear_strain=0.2)
SNOW = SnowLaw(400, 1.4e5, 0.2, 2.5e-2, 7.5e-3, 10.0)
CREAM = CreamLaw(400, 1e4, 0.4, yield_stress=50.0, consistency=20.0, flow_index=0.4)
STIFF_CREAM = CreamLaw(400, 1e4, 0.4, yield_stress=50.0, consistency=0.0, flow_index=1.0)
SAND = SandLaw(1600, 3.5e5, 0.3, 0.6, 0.0)
YIELDING: dict[str, Law] = {
    "metal": STEEL,
    "perfect": PERFECT,
    "plasticine": PLASTICINE,
    "bread": BREAD,
    "snow": SNOW,
    "cream": STIFF_CREAM,
    "sand": SAND,
}


def deviator(tau: Array) -> Array:
    return tau - np.trace(tau, axis1=1, axis2=2)[:, None, None] / 3 * np.eye(3)


def von_mises(tau: Array) -> Array:
    """Stress (n,) of the bar under tension that is as near to yielding."""
    return np.sqrt(1.5) * np.linalg.norm(deviator(tau), axis=(1, 2))


def strains(f: Array) -> Array:
    return np.log(np.linalg.svd(f, compute_uv=False))


def bar(law: Any, strain: Array) -> Array:
    """F (n, 3, 3) of an elastic bar pulled along x to logarithmic strains, free at its sides."""
    across = -law.poisson_ratio * strain
    return np.stack([np.diag(np.exp([a, b, b])) for a, b in zip(strain, across, strict=True)])


@pytest.mark.parametrize("name", YIELDING)
def test_return_is_idempotent(name: str) -> None:
    law, f = YIELDING[name], deformations(500, 0.2)
    once, past, tau, _ = respond(law, f)
    # Cream keeps b, which is what an F = sqrt(b) gives.
    value, basis = np.linalg.eigh(once.astype(float))
    again = np.einsum("nij,nj,nkj->nik", basis, np.sqrt(value), basis) if name == "cream" else once
    past = np.zeros(500) if name == "sand" else past  # sand keeps what tension left, once
    twice, same, tau_again, _ = respond(law, again, past)
    np.testing.assert_allclose(twice, once, atol=2e-6)
    np.testing.assert_allclose(same, past, atol=2e-6)
    np.testing.assert_allclose(tau_again, tau, atol=2e-5 * law.density + 1e-5 * np.abs(tau).max())


@pytest.mark.parametrize("law", [STEEL, PERFECT], ids=["hardening", "perfect"])
def test_metal_ends_on_its_yield_surface_and_keeps_its_volume(law: MetalLaw) -> None:
    f = deformations(500, 0.3)
    kept, alpha, tau, _ = respond(law, f)
    limit = law.yield_stress + law.hardening_modulus * alpha
    np.testing.assert_allclose(von_mises(tau), limit, rtol=2e-4)
    np.testing.assert_allclose(np.linalg.det(kept), np.linalg.det(f), rtol=1e-5)
    flowed = np.linalg.norm(strains(f) - strains(kept), axis=1)
    np.testing.assert_allclose(alpha, np.sqrt(2 / 3) * flowed, rtol=1e-3)


def test_a_metal_bar_yields_at_its_yield_stress_and_hardens_by_its_slope() -> None:
    start = STEEL.yield_stress / STEEL.young_modulus
    below, above = respond(STEEL, bar(STEEL, np.array([0.98, 1.02]) * start))[1]
    assert below == 0.0
    assert above > 0.0
    # Tangent of a bar with linear hardening: E H / (E + H); F plastic keeps its volume.
    pull = np.array([0.02, 0.03])
    plastic = (pull * STEEL.young_modulus - STEEL.yield_stress) / (
        STEEL.young_modulus + STEEL.hardening_modulus
    )
    across = -STEEL.poisson_ratio * (pull - plastic) - plastic / 2
    f = np.stack([np.diag(np.exp([a, b, b])) for a, b in zip(pull, across, strict=True)])
    _, alpha, tau, _ = respond(STEEL, f)
    np.testing.assert_allclose(alpha, plastic, rtol=1e-3)
    np.testing.assert_allclose(tau[:, 0, 0], STEEL.yield_stress + 5e4 * plastic, rtol=1e-3)
    np.testing.assert_allclose(tau[:, 1, 1], 0, atol=20)


def test_metal_keeps_its_rotation_where_it_yields() -> None:
    f, turn = deformations(100, 0.2), deformations(100, 0.0, seed=7)
    kept, turned = respond(STEEL, f)[0], respond(STEEL, turn @ f)[0]
    np.testing.assert_allclose(turned, turn @ kept, atol=2e-6)


def test_plasticine_softens_along_its_line_to_nothing() -> None:
    shear = np.linspace(0.0, 1.2, 60)
    f = np.stack([np.diag(np.exp([s, -s, 0.0])) for s in shear])
    kept, alpha, tau, _ = respond(PLASTICINE, f)
    worn = np.minimum(alpha / PLASTICINE.tear_strain, 1)
    yielded = alpha > 0
    bears = PLASTICINE.yield_stress * (1 - worn)
    np.testing.assert_allclose(von_mises(tau)[yielded], bears[yielded], atol=20)
    assert (von_mises(tau) <= PLASTICINE.yield_stress * (1 + 1e-4)).all()
    np.testing.assert_allclose(np.linalg.det(kept), 1, rtol=1e-5)
    torn = alpha >= PLASTICINE.tear_strain
    assert 0.1 < torn.mean() < 0.9
    np.testing.assert_allclose(tau[torn], 0, atol=2)
    assert (np.diff(alpha) >= 0).all()


def test_torn_plasticine_bears_pressure_and_no_tension() -> None:
    f = np.stack([np.eye(3) * 1.03, np.eye(3) * 0.97, np.diag([0.8, 1.1, 1.0])])
    _, _, tau, _ = respond(PLASTICINE, f, PLASTICINE.tear_strain)
    mu, lam = lame(1e6, 0.4)
    bulk = lam + 2 * mu / 3
    np.testing.assert_allclose(tau[0], 0, atol=1e-6)
    np.testing.assert_allclose(tau[1], 3 * bulk * np.log(0.97) * np.eye(3), rtol=1e-4, atol=1)
    pressure = -np.trace(tau[2]) / 3
    assert pressure == pytest.approx(-bulk * np.log(0.88), rel=1e-4)
    assert np.linalg.norm(deviator(tau[2:])) == pytest.approx(0.4 * pressure, rel=1e-3)


def test_even_tension_tears_plasticine_between_three_and_six_times_its_yield_stress() -> None:
    mu, lam = lame(1e6, 0.4)
    times = np.array([2.9, 4.5, 6.1])
    strain = times * PLASTICINE.yield_stress / (lam + 2 * mu / 3)
    f = np.exp(strain / 3)[:, None, None] * np.eye(3)
    _, alpha, tau, _ = respond(PLASTICINE, f)
    np.testing.assert_allclose(alpha / PLASTICINE.tear_strain, [0, 0.5, 1], atol=1e-3)
    np.testing.assert_allclose(tau[:, 0, 0], [5.8e4, 4.5e4, 0], rtol=1e-3, atol=1e-2)


def test_bread_bears_its_strength_and_not_more() -> None:
    """Stretched with its sides held; then the stress falls linearly over the tear strain."""
    stretch = np.linspace(0.0, 0.4, 200)
    f = np.stack([np.diag([np.exp(s), 1, 1]) for s in stretch])
    _, most, tau, _ = respond(BREAD, f)
    mu, lam = lame(2e3, 0.3)
    np.testing.assert_allclose(most, (lam + 2 * mu) * stretch / 2e3, rtol=1e-4, atol=1e-7)
    falls = np.clip(1 - (most - 0.1) / 0.2, 0, 1) * BREAD.strength
    np.testing.assert_allclose(tau[:, 0, 0], np.minimum(2e3 * most, falls), atol=0.2)
    assert tau[:, 0, 0].max() == pytest.approx(BREAD.strength, rel=0.02)


def test_cracked_bread_remembers_and_presses_where_the_crack_closes() -> None:
    f = np.stack([np.diag([1.1, 1, 1]), np.diag([0.9, 1, 1])])
    kept, most, tau, _ = respond(BREAD, f, 0.2)
    np.testing.assert_array_equal(most, np.float32(0.2))
    damage = crack_damage(BREAD, np.array([0.2]))[0]
    assert damage == pytest.approx(0.75)
    mu, lam = lame(2e3, 0.3)
    expected = (lam + 2 * mu) * np.log([1.1, 0.9]) * [1 - damage, 1]
    np.testing.assert_allclose(tau[:, 0, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(kept, f, atol=1e-7)


def test_a_crack_forgets_how_far_it_opened() -> None:
    f = deformations(50, 0.1) @ np.diag([9.0, 1.0, 1.0])
    kept, _, tau, _ = respond(BREAD, f, 1.0)
    assert (np.linalg.svd(kept, compute_uv=False)[:, 0] < 1.51).all()
    assert (np.linalg.eigvalsh(tau)[:, 2] < 0.05 * 2e3).all()


def test_snow_yields_beyond_its_critical_stretches() -> None:
    f = deformations(500, 0.05)
    kept, packed, tau, _ = respond(SNOW, f)
    trial, s = np.linalg.svd(f, compute_uv=False), np.linalg.svd(kept, compute_uv=False)
    clamped = np.clip(trial, 1 - 2.5e-2, 1 + 7.5e-3)
    np.testing.assert_allclose(np.sort(s), np.sort(clamped), atol=2e-6)
    plastic = trial.prod(axis=1) / clamped.prod(axis=1)
    np.testing.assert_allclose(1 + packed, plastic, rtol=1e-5)
    mu, lam = lame(SNOW.young_modulus, SNOW.poisson_ratio)
    j = clamped.prod(axis=1)[:, None]
    hard = np.exp(10 * (1 - plastic))[:, None]
    principal = hard * (2 * mu * clamped * (clamped - 1) + lam * j * (j - 1))
    found = np.linalg.eigvalsh(tau)
    np.testing.assert_allclose(found, np.sort(principal), atol=2e-4 * np.abs(principal).max())


def test_packed_snow_is_harder_and_carries_sound_faster_up_to_a_limit() -> None:
    at_rest = np.eye(3)[None].repeat(4, axis=0)
    wave = respond(SNOW, at_rest, np.array([0.2, 0.0, -0.2, -0.9]))[3]
    np.testing.assert_allclose(wave / wave[1], np.exp([-2, 0, 2, 4]), rtol=1e-4)


def sheared(law: CreamLaw, rate: float, seconds: float, dt: float) -> tuple[Array, Array]:
    """Shear cream steadily; return tau (3, 3) and b (3, 3) at the end."""
    c = np.zeros((1, 3, 3))
    c[0, 0, 1] = rate
    root, tau = np.eye(3)[None], np.zeros((1, 3, 3))
    for _ in range(round(seconds / dt)):
        b, _, tau, _ = respond(law, root, 0.0, c, dt)
        value, basis = np.linalg.eigh(b.astype(float))
        root = np.einsum("nij,nj,nkj->nik", basis, np.sqrt(value), basis)
    return tau[0], root[0] @ root[0]


@pytest.mark.parametrize("rate", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("index", [0.4, 1.0, 1.5])
def test_cream_flows_as_a_rheometer_says(rate: float, index: float) -> None:
    """In steady shear tau = sigma_Y / sqrt(3) + k rate^n (Herschel and Bulkley 1926)."""
    law = CreamLaw(400, 1e5, 0.4, yield_stress=50.0, consistency=20.0, flow_index=index)
    expected = 50 / np.sqrt(3) + 20 * rate**index
    tau, b = sheared(law, rate, 1.0 / rate, 0.002 / rate)
    assert tau[0, 1] == pytest.approx(expected, rel=0.01)
    assert np.linalg.det(b) == pytest.approx(1, rel=1e-4)


def test_cream_stands_below_its_yield_stress_and_relaxes_to_it() -> None:
    mu, _ = lame(1e4, 0.4)
    f = np.eye(3) + np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]]) * 0.9 * 50 / np.sqrt(3) / mu
    b, _, tau, _ = respond(CREAM, f[None], dt=100.0)
    np.testing.assert_allclose(b[0], f @ f.T, atol=1e-6)
    assert tau[0, 0, 1] == pytest.approx(0.9 * 50 / np.sqrt(3), rel=1e-3)
    f = np.linalg.qr(deformations(1, 0.3)[0])[0] @ np.diag([1.3, 1 / 1.3, 1.0])
    assert von_mises(respond(CREAM, f[None], dt=1e9)[2])[0] == pytest.approx(50, rel=1e-3)


def test_cream_flow_follows_its_implicit_equation() -> None:
    """|s| - sqrt(2/3) sigma_Y = k' g^n with g the plastic strain's rate, k' from shear."""
    f, dt = deformations(200, 0.2), 1e-3
    f /= np.cbrt(np.linalg.det(f))[:, None, None]
    b, _, tau, _ = respond(CREAM, f, dt=dt)
    mu, _ = lame(1e4, 0.4)
    before, after = deviator(f @ f.transpose(0, 2, 1)), deviator(b.astype(float))
    mean = np.trace(f @ f.transpose(0, 2, 1), axis1=1, axis2=2) / 3
    g = (np.linalg.norm(before, axis=(1, 2)) - np.linalg.norm(after, axis=(1, 2))) / (2 * mean * dt)
    left = np.linalg.norm(deviator(tau), axis=(1, 2)) - np.sqrt(2 / 3) * 50
    flows = mu * np.linalg.norm(before, axis=(1, 2)) > np.sqrt(2 / 3) * 50
    assert flows.mean() > 0.9
    np.testing.assert_allclose(left[flows], 20 * 2**0.7 * g[flows] ** 0.4, rtol=2e-3, atol=0.05)
    np.testing.assert_allclose(np.linalg.det(b), 1, rtol=1e-5)
