"""Honey and thicker: eddies die as fast as Stokes says, and the step limit keeps them steady."""

import numpy as np
import pytest

from impetus.kernels.mpm.materials.laws import WaterLaw
from impetus.kernels.mpm.materials.table import viscous_step
from impetus.kernels.mpm.solver import MpmSolver

from .mpm_cases import CELL, Lump, make_solver, push

SIDE, SPEED = 0.5, 0.5


def eddy(viscosity: float) -> MpmSolver:
    """Fill a closed box with one eddy of Taylor and Green: U (sin kx cos ky, -cos kx sin ky).

    The liquid is pressed a little, so that its viscous tension lifts it from no wall.
    """
    law = WaterLaw(1000, 1e5, 7, viscosity)
    solver = make_solver(
        [Lump((0, 0, 0), (SIDE, SIDE, 2 * CELL), law)], shape=(16, 16, 2), jitter=1
    )
    saved = solver.checkpoint()
    x, y, _ = (solver.position()[saved["particle_index"]] * np.pi / SIDE).T
    stretch = np.pi / SIDE * SPEED * np.cos(x) * np.cos(y)
    shear = -np.pi / SIDE * SPEED * np.sin(x) * np.sin(y)
    velocity = SPEED * np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y), 0 * x], axis=1)
    gradient = np.zeros((len(x), 3, 3))
    gradient[:, 0, 0], gradient[:, 0, 1] = stretch, shear
    gradient[:, 1, 0], gradient[:, 1, 1] = -shear, -stretch
    saved["particle_velocity"] = velocity.astype(np.float32)
    saved["particle_gradient"] = gradient.astype(np.float32)
    saved["particle_deformation"][:, 0, 0] = 0.95
    saved["state"][0] = SPEED
    solver.restore(saved)
    return solver


@pytest.mark.parametrize("viscosity", [100.0, 400.0])
def test_an_eddy_dies_at_the_rate_of_its_viscosity(viscosity: float) -> None:
    """Its energy falls as exp(-4 nu k^2 t)."""
    solver = eddy(viscosity)
    rate = 4 * viscosity / 1000 * (np.pi / SIDE) ** 2
    solver.advance(0.25 / rate, push((0, 0, 0)))  # pressure settles
    before = solver.totals().kinetic
    solver.advance(0.5 / rate, push((0, 0, 0)))
    found = np.log(before / solver.totals().kinetic) / 0.5
    assert found == pytest.approx(1, abs=0.1)


def test_the_viscous_step_is_within_the_stable_ones() -> None:
    """A tar of 2,000 Pa s: at twice the limit it is still steady."""
    law = WaterLaw(1000, 1e5, 7, 2000.0)
    solver = eddy(2000.0)
    first = solver.totals().kinetic
    limit = viscous_step([law], CELL)
    taken = solver.advance(30 * limit, push((0, 0, 0)))
    assert taken.smallest_step == pytest.approx(limit, rel=0.05)
    assert solver.totals().kinetic < first
    bold = eddy(2000.0)
    bold._largest_step = 2 * limit
    bold.advance(30 * limit, push((0, 0, 0)))
    assert bold.totals().kinetic < first
