"""Every law through one door, the update of a particle: energies, objectivity, waves, yield."""

from typing import Any

import numpy as np
import pytest
import taichi as ti
from numpy.typing import NDArray

from impetus.kernels.array_types import Floats, Ints, Mat3s, Table, Vec6s
from impetus.kernels.mpm.energy import energy_density
from impetus.kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
)
from impetus.kernels.mpm.materials.table import law_kinds, law_table
from impetus.kernels.mpm.materials.update import update_law

from .reference_materials import deformations, energy, kirchhoff, unpacked, wave_stiffness

Array = NDArray[Any]
JELLY = ElasticLaw(1000, 1e5, 0.3)
RUBBER = RubberLaw(1000, 1e5, 0.3)
CLAY = SandLaw(1600, 1e5, 0.3, friction_angle=0.6, cohesion=1e9)
SOLIDS = {
    "elastic": JELLY,
    "rubber": RUBBER,
    "metal": MetalLaw(1000, 1e5, 0.3, yield_stress=1e9, hardening_modulus=0.0),
    "plasticine": PlasticineLaw(1000, 1e5, 0.3, yield_stress=1e9, tear_strain=1e9),
    "brittle": BrittleLaw(1000, 1e5, 0.3, strength=1e9, tear_strain=1.0),
    "cracked": BrittleLaw(1000, 1e5, 0.3, strength=5e4, tear_strain=9.0),
}
ELASTICITIES = SOLIDS | {
    "sand": CLAY,
    "snow": SnowLaw(1000, 1e5, 0.3, 0.9, 9.0, hardening_coefficient=0.0),
    "cream": CreamLaw(1000, 1e5, 0.3, yield_stress=1e9, consistency=1.0, flow_index=0.5),
}
"Laws with yield limits so high that nothing yields; what cracks does so only in part."


@ti.kernel
def update_all(
    kinds: ti.template(), table: Table, law: Ints, dt: ti.f32, c: Mat3s, deformation: Mat3s,
    stress: Vec6s, history: Floats, wave2: Floats, reason: Ints,
):  # fmt: skip
    for p in law:
        stress[p], wave2[p], reason[p] = update_law(
            p, dt, c[p], kinds, table, law, deformation, history
        )


def respond(
    law: Law, f: Array, history: Array | float = 0.0, c: Array | None = None, dt: float = 0.0
) -> tuple[Array, Array, Array, Array]:
    """Return what a law makes of F and history: F, history, tau (n, 3, 3), rho0 c^2 (n,)."""
    count = len(f)
    rate = np.zeros((count, 3, 3)) if c is None else np.broadcast_to(c, (count, 3, 3))
    kept = np.ascontiguousarray(stored(law, f), np.float32)
    memory = np.broadcast_to(history, (count,)).astype(np.float32)
    stress, wave2 = np.zeros((count, 6), np.float32), np.zeros(count, np.float32)
    number, reason = np.zeros(count, np.int32), np.zeros(count, np.int32)
    update_all(
        law_kinds([law]), law_table([law]), number, dt, np.ascontiguousarray(rate, np.float32),
        kept, stress, memory, wave2, reason,
    )  # fmt: skip
    assert (reason == 0).all()
    return kept, memory, unpacked(stress), wave2 * law.density


def unyielding(name: str, spread: float) -> tuple[Law, Array]:
    """Return a law and strains that it bears: sand loses volume, cream gains little."""
    f = deformations(300, spread)
    most = {"sand": 0.7, "cream": 1.4}.get(name, np.inf)
    f *= np.cbrt(np.minimum(1.0, most / np.linalg.det(f)))[:, None, None]
    return ELASTICITIES[name], f


def stored(law: Law, f: Array) -> Array:
    """Turn F into what a law keeps."""
    return f @ f.transpose(0, 2, 1) if isinstance(law, CreamLaw) else f


def close(found: Array, expected: Array, part: float) -> None:
    """Expect the largest error of each matrix within `part` of its largest entry."""
    error = np.abs(found - expected).max(axis=(1, 2))
    size = np.abs(expected).max(axis=(1, 2))
    assert (error <= part * size + part).all(), (error / size).max()


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("name", ELASTICITIES)
def test_stress_is_the_derivative_of_the_energy(name: str, spread: float) -> None:
    """At stretches from 1 / e to e in every direction."""
    law, f = unyielding(name, spread)
    kept, history, tau, _ = respond(law, f)
    close(tau, kirchhoff(law, f, history), 1e-4)
    np.testing.assert_allclose(
        energy_density(law, kept.astype(float), history), energy(law, f, history), rtol=1e-4
    )


@pytest.mark.parametrize("name", ELASTICITIES)
def test_turned_input_gives_turned_output(name: str) -> None:
    law, f = unyielding(name, 0.7)
    turn = deformations(300, 0.0, seed=5)
    _, _, tau, wave = respond(law, f)
    _, _, turned, same_wave = respond(law, turn @ f)
    close(turned, turn @ tau @ turn.transpose(0, 2, 1), 1e-5)
    np.testing.assert_allclose(same_wave, wave, rtol=1e-5)


@pytest.mark.parametrize("name", SOLIDS)
def test_matter_turned_before_it_is_strained_answers_alike(name: str) -> None:
    law, f = SOLIDS[name], deformations(300, 0.7)
    _, _, tau, _ = respond(law, f)
    _, _, same, _ = respond(law, f @ deformations(300, 0.0, seed=5))
    close(same, tau, 1e-5)


@pytest.mark.parametrize("name", ELASTICITIES)
def test_wave_speed_is_that_of_the_energy_or_a_little_more(name: str) -> None:
    law, f = unyielding(name, 0.4)
    _, history, _, wave = respond(law, f)
    exact = wave_stiffness(law, f, history)
    assert (wave >= exact * (1 - 1e-3)).all()
    at_rest = respond(law, np.eye(3)[None])[3]
    assert (wave <= np.maximum(1.7 * exact, at_rest * 1.001)).all()
    np.testing.assert_allclose(at_rest, wave_stiffness(law, np.eye(3)[None], 0.0), rtol=1e-3)
    np.testing.assert_allclose(law_table([law])[0, 3] * law.density, at_rest, rtol=1e-5)


def test_rubber_turned_inside_out_is_driven_back() -> None:
    f = deformations(200, 0.2) @ np.diag([1.0, 1.0, -0.5])
    _, _, tau, _ = respond(RUBBER, f)
    close(tau, kirchhoff(RUBBER, f, np.zeros(200)), 1e-4)
    # The energy falls where J rises.
    out = f + 1e-3 * np.linalg.inv(f).transpose(0, 2, 1) * np.linalg.det(f)[:, None, None]
    assert (energy(RUBBER, out, np.zeros(200)) < energy(RUBBER, f, np.zeros(200))).all()


def test_rubber_pulled_at_constant_volume_follows_the_neo_hookean_curve() -> None:
    """sigma = E / 3 (s^2 - 1 / s) along the pull against across (Treloar 1975)."""
    s = np.linspace(0.4, 4, 20)
    f = np.stack([np.diag([one, one**-0.5, one**-0.5]) for one in s])
    tau = respond(RubberLaw(1000, 3e5, 0.499), f)[2]
    mu = 3e5 / 2 / 1.499
    np.testing.assert_allclose(tau[:, 0, 0] - tau[:, 1, 1], mu * (s**2 - 1 / s), rtol=1e-4, atol=5)
