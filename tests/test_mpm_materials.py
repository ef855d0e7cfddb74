"""Constitutive laws against their own energies, NumPy's decompositions and the yield surface."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import taichi as ti
from numpy.typing import NDArray

from impetus.kernels.array_types import Floats, Mat3s, Table, Vec3s, Vec6s
from impetus.kernels.mpm.energy import energy_density
from impetus.kernels.mpm.materials import elastic, grains, laws, liquids, tensors
from impetus.kernels.mpm.materials import table as columns
from impetus.kernels.mpm.materials.table import (
    COHESION,
    SLOPE,
    TIP,
    WAVE2,
    law_kinds,
    law_table,
)

from .reference_materials import deformations, unpacked

Array = NDArray[Any]
JELLY = laws.ElasticLaw(1000, 1e5, 0.3)
SAND = laws.SandLaw(1600, 3.5e5, 0.3, 0.6109, 0.0)
CLAY = laws.SandLaw(1600, 3.5e5, 0.3, 0.4, 2e3)
WATER = laws.WaterLaw(1000, 1e5, 7.0, 0.0)


@ti.kernel
def elastic_stresses(f: Mat3s, mu: ti.f32, lam: ti.f32, tau: Vec6s, wave: Floats):
    for n in f:
        tau[n], wave[n] = elastic.elastic_stress(f[n], mu, lam)


@ti.kernel
def sand_stresses(b: Mat3s, gained: Floats, table: Table, f: Mat3s, tau: Vec6s):
    for n in b:
        f[n], tau[n], gained[n], _ = grains.sand_stress(b[n], gained[n], 0, table)


@ti.kernel
def water_stresses(j: Floats, c: Mat3s, table: Table, tau: Vec6s, wave: Floats):
    for n in j:
        tau[n], wave[n] = liquids.water_stress(j[n], c[n], 0, table)


@ti.kernel
def stretches(b: Mat3s, j: Floats, newton: Mat3s, eigen: Mat3s):
    for n in b:
        newton[n] = tensors.stretch_by_newton(b[n], j[n])
        eigen[n] = tensors.stretch_by_eigenvalues(b[n], j[n])


@ti.kernel
def eigen_systems(m: Mat3s, value: Vec3s, basis: Mat3s):
    for n in m:
        value[n], basis[n] = tensors.eigen_symmetric(m[n])


@ti.kernel
def return_maps(strain: Vec3s, gained: Floats, table: Table):
    for n in strain:
        row = ti.static((SLOPE, COHESION, TIP))
        strain[n], gained[n] = grains.sand_return_map(
            strain[n], gained[n], table[0, row[0]], table[0, row[1]], table[0, row[2]]
        )


def numeric_kirchhoff(law: laws.Law, f: Array) -> Array:
    """Return tau with tau : L = d psi((I + e L) F) / de, by central differences."""
    tau, step = np.zeros_like(f), 1e-5
    for i in range(3):
        for j in range(3):
            turn = np.zeros((3, 3))
            turn[i, j] = step
            up, down = f + turn @ f, f - turn @ f
            tau[:, i, j] = (
                energy_density(law, up, np.zeros(len(f)))
                - energy_density(law, down, np.zeros(len(f)))
            ) / (2 * step)
    return tau


def elastic_tau(f: Array) -> tuple[Array, Array]:
    tau = np.zeros((len(f), 6), np.float32)
    wave = np.zeros(len(f), np.float32)
    elastic_stresses(f.astype(np.float32), *laws.lame(1e5, 0.3), tau, wave)
    return unpacked(tau), wave


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0])
def test_elastic_stress_is_the_derivative_of_its_energy(spread: float) -> None:
    f = deformations(200, spread)
    tau, _ = elastic_tau(f)
    expected = numeric_kirchhoff(JELLY, f)
    np.testing.assert_allclose(
        tau, expected, atol=2e-6 * 1e5 * np.exp(3 * spread) + 1e-9, rtol=2e-4
    )


def test_inverted_elastic_is_pushed_back_the_short_way() -> None:
    f = deformations(200, 0.2) @ np.diag([1.0, 1.0, -0.5])
    tau, _ = elastic_tau(f)
    np.testing.assert_allclose(tau, numeric_kirchhoff(JELLY, f), atol=2.0, rtol=1e-3)


def test_flattened_elastic_stays_finite() -> None:
    tau, wave = elastic_tau(deformations(50, 0.3) @ np.diag([1.0, 0.0, 0.0]))
    assert np.isfinite(tau).all()
    assert np.isfinite(wave).all()


def test_elastic_wave_bound_holds_along_every_principal_axis() -> None:
    f = deformations(300, 0.7)
    _, wave = elastic_tau(f)
    mu, lam = laws.lame(1e5, 0.3)
    s, j = np.linalg.svd(f, compute_uv=False), np.linalg.det(f)
    exact = (2 * mu * s**2 + lam * j[:, None] ** 2).max(axis=1)
    assert (wave >= exact * (1 - 1e-4)).all()
    assert (wave <= 1.7 * exact).all()


def test_both_stretches_equal_the_polar_decomposition() -> None:
    f = deformations(500, 1.0).astype(np.float32)
    b = (f.astype(float) @ f.transpose(0, 2, 1)).astype(np.float32)
    newton, eigen = np.zeros_like(b), np.zeros_like(b)
    stretches(b, np.linalg.det(f), newton, eigen)
    u, s, _ = np.linalg.svd(f.astype(float))
    expected = np.einsum("nij,nj,nkj->nik", u, s, u)
    np.testing.assert_allclose(newton, expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(eigen, expected, atol=1e-5, rtol=1e-5)


def test_the_stretch_holds_for_what_is_drawn_out_tenfold() -> None:
    """Stretches of 0.03 to 30, J over 0.1, where Newton takes many steps; of the largest one."""
    rng = np.random.default_rng(5)
    s = np.exp(1.2 * rng.normal(size=(4000, 3)))
    s = s[s.prod(axis=1) > 0.1]
    u = np.linalg.qr(rng.normal(size=(len(s), 3, 3)))[0]
    b = np.einsum("nij,nj,nkj->nik", u, s**2, u).astype(np.float32)
    newton, eigen = np.zeros_like(b), np.zeros_like(b)
    stretches(b, s.prod(axis=1).astype(np.float32), newton, eigen)
    off = np.abs(newton - np.einsum("nij,nj,nkj->nik", u, s, u)).max(axis=(1, 2)) / s.max(axis=1)
    assert np.quantile(off, 0.99) < 1e-6
    assert off.max() < 1e-4


def test_eigen_systems_rebuild_their_matrices() -> None:
    rng = np.random.default_rng(3)
    m = rng.normal(size=(500, 3, 3))
    m = np.concatenate(
        [m + m.transpose(0, 2, 1), [np.eye(3), np.zeros((3, 3)), np.diag([1, 2, 2])]]
    )
    value, basis = np.zeros((len(m), 3), np.float32), np.zeros((len(m), 3, 3), np.float32)
    eigen_systems(m.astype(np.float32), value, basis)
    rebuilt = np.einsum("nij,nj,nkj->nik", basis, value, basis)
    np.testing.assert_allclose(rebuilt, m, atol=5e-6)
    np.testing.assert_allclose(basis @ basis.transpose(0, 2, 1), np.eye(3)[None] + 0 * m, atol=2e-6)


def sand_tau(law: laws.SandLaw, b: Array, gained: Array) -> tuple[Array, Array, Array]:
    f, tau = np.zeros((len(b), 3, 3), np.float32), np.zeros((len(b), 6), np.float32)
    gained = gained.astype(np.float32)
    sand_stresses(b.astype(np.float32), gained, law_table([law]), f, tau)
    return f, unpacked(tau), gained


def test_sand_stress_is_the_derivative_of_its_energy_inside_the_cone() -> None:
    f = deformations(300, 0.02) * 0.9
    b = f @ f.transpose(0, 2, 1)
    stretch, tau, gained = sand_tau(SAND, b, np.zeros(len(b)))
    u, s, _ = np.linalg.svd(f)
    np.testing.assert_allclose(stretch, np.einsum("nij,nj,nkj->nik", u, s, u), atol=1e-5)
    expected = numeric_kirchhoff(SAND, f)
    np.testing.assert_allclose(tau, expected, atol=2e-6 * 3.5e5 * 3, rtol=1e-3)
    np.testing.assert_array_equal(gained, 0)


@pytest.mark.parametrize("law", [SAND, CLAY], ids=["sand", "cohesive"])
def test_sand_return_map_is_idempotent_and_ends_on_the_cone(law: laws.SandLaw) -> None:
    strain = np.random.default_rng(1).normal(scale=0.05, size=(2000, 3)).astype(np.float32)
    table = law_table([law])
    once, gained = strain.copy(), np.zeros(len(strain), np.float32)
    return_maps(once, gained, table)
    twice, again = once.copy(), np.zeros(len(strain), np.float32)
    return_maps(twice, again, table)
    np.testing.assert_allclose(twice, once, atol=1e-7)
    slope, cohesion, tip = table[0, SLOPE : TIP + 1]
    trace = once.sum(axis=1)
    size = np.linalg.norm(once - trace[:, None] / 3, axis=1)
    assert (size <= np.maximum(cohesion - slope * trace, 0) + 1e-6).all()
    assert (trace <= tip + 1e-6).all()
    tension = gained > 0
    assert 0.1 < tension.mean() < 0.9
    np.testing.assert_allclose((trace + gained)[tension], strain.sum(axis=1)[tension], atol=1e-6)
    np.testing.assert_allclose(trace[~tension], strain.sum(axis=1)[~tension], atol=1e-6)


def test_sand_yields_where_mohr_coulomb_says() -> None:
    """In plane strain without dilation: (s1 - s3) / (s1 + s3) = sin(friction angle)."""
    table = law_table([SAND])
    strain = np.array([[-0.12, -0.03, 0.06]], np.float32)
    return_maps(strain, np.zeros(1, np.float32), table)
    mu, lam = laws.lame(SAND.young_modulus, SAND.poisson_ratio)
    stress = -(2 * mu * strain[0].astype(float) + lam * strain[0].sum())
    ratio = (stress[0] - stress[2]) / (stress[0] + stress[2])
    assert ratio == pytest.approx(np.sin(SAND.friction_angle), rel=1e-3)


def test_sand_pulled_apart_presses_again_only_where_it_was_before() -> None:
    b = np.eye(3)[None] * np.exp(2 * 0.02)
    stretch, tau, gained = sand_tau(SAND, b, np.zeros(1))
    np.testing.assert_allclose(tau, 0, atol=1e-3)
    assert gained[0] == pytest.approx(0.06, rel=1e-3)
    half, tau, gained = sand_tau(SAND, (stretch @ stretch) * np.exp(-2 * 0.01), gained)
    np.testing.assert_allclose(tau, 0, atol=1e-3)
    _, tau, gained = sand_tau(SAND, (half @ half) * np.exp(-2 * 0.02), gained)
    assert gained[0] == 0
    assert tau[0, 0, 0] == pytest.approx(3.5e5 / (1 - 0.6) * -0.01, rel=1e-2)


@pytest.mark.parametrize("viscosity", [0.0, 6.0])
def test_water_stress_is_the_derivative_of_its_energy(viscosity: float) -> None:
    """Thick liquids hold together a little, thin ones not at all."""
    law = replace(WATER, viscosity=viscosity)
    j = np.linspace(0.7, 1.3, 50)
    f = np.zeros((50, 3, 3))
    f[:, 0, 0] = j
    tau, wave = np.zeros((50, 6), np.float32), np.zeros(50, np.float32)
    water_stresses(j.astype(np.float32), np.zeros_like(f, np.float32), law_table([law]), tau, wave)
    up, down = f.copy(), f.copy()
    up[:, 0, 0] *= 1 + 1e-6
    down[:, 0, 0] *= 1 - 1e-6
    pressure = (
        -(energy_density(law, up, np.zeros(len(f))) - energy_density(law, down, np.zeros(len(f))))
        / 2e-6
    )
    np.testing.assert_allclose(-tau[:, 0], pressure, rtol=1e-4, atol=0.5)
    np.testing.assert_allclose(tau[:, 3:], 0)
    # rho0 c^2 = J^2 d^2 psi / dJ^2
    bend = energy_density(law, f * 1.001, np.zeros(len(f))) + energy_density(
        law, f * 0.999, np.zeros(len(f))
    )
    curve = (bend - 2 * energy_density(law, f, np.zeros(len(f)))) / 1e-6
    pressed = j < 0.99
    np.testing.assert_allclose(wave[pressed], curve[pressed], rtol=2e-3)
    tension = np.broadcast_to(50 * viscosity * j[j > 1.01, None], (int((j > 1.01).sum()), 3))
    np.testing.assert_allclose(tau[j > 1.01, :3], tension, rtol=1e-5)


def test_viscous_stress_is_newtonian_and_has_no_trace() -> None:
    law = laws.WaterLaw(1000, 1e5, 7.0, 3.0)
    c = np.random.default_rng(2).normal(size=(20, 3, 3))
    tau, wave = np.zeros((20, 6), np.float32), np.zeros(20, np.float32)
    ones = np.ones(20, np.float32)
    water_stresses(ones, c.astype(np.float32), law_table([law]), tau, wave)
    rate = (c + c.transpose(0, 2, 1)) / 2
    trace = np.trace(rate, axis1=1, axis2=2)[:, None, None] / 3 * np.eye(3)
    np.testing.assert_allclose(unpacked(tau), 2 * 3.0 * (rate - trace), atol=1e-4)


def test_table_knows_waves_and_kinds() -> None:
    table = law_table([JELLY, WATER])
    assert table[0, WAVE2] == pytest.approx(1e5 * 0.7 / (1.3 * 0.4) / 1000)
    assert table[1, WAVE2] == pytest.approx(100)
    assert law_kinds([JELLY, WATER]) == columns.ELASTIC | columns.WATER
