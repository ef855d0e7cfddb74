"""Constitutive laws: what deformation becomes which stress; called from transfer's gather.

F deformation gradient, J = det F, b = F F^T, tau = J sigma Kirchhoff stress [Pa],
mu, lambda Lamé parameters [Pa], epsilon = log of the principal stretches (Hencky strain).
Elastic: fixed corotated (Stomakhin et al. 2012). Sand: Drucker-Prager over Hencky elasticity
(Klár et al. 2016) with volume correction (Tampubolon et al. 2017). Water: weakly compressible
(Tait's equation) with Newtonian viscosity.
What F holds differs: elastic keeps F itself; sand the left stretch sqrt(b), as rotations do not
enter its stress; water J in F[0, 0].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..array_types import Mat3, Vec3, Vec6, f32, i32, mat3, template, vec3, vec6

ELASTIC, SAND, WATER = 1, 2, 4
KIND, MU, LAMBDA, WAVE2 = 0, 1, 2, 3
SLOPE, COHESION, TIP = 4, 5, 6
BULK, GAMMA, VISCOSITY = 4, 5, 6
PARAMETERS = 8

UNSAFE = 0.1
"""Below this J the quartic for the stretch is badly conditioned; eigenvalues are used instead."""
THINNEST = 1.5
"""J at which water that flies apart stops remembering how far: it presses again only where it has
come back to J = 1, so a splash gains no volume, and spray does not lose its own."""
TENSILE_STRAIN = 0.02
"""Volumetric strain at which even cohesive sand comes apart."""


@dataclass(frozen=True)
class ElasticLaw:
    """Fixed-corotated elasticity: kg/m^3, Pa, 1."""

    density: float
    young_modulus: float
    poisson_ratio: float


@dataclass(frozen=True)
class SandLaw:
    """Drucker-Prager sand: kg/m^3, Pa, 1, friction angle in radians, cohesion in Pa."""

    density: float
    young_modulus: float
    poisson_ratio: float
    friction_angle: float
    cohesion: float


@dataclass(frozen=True)
class WaterLaw:
    """Weakly compressible liquid: kg/m^3, Pa, exponent of Tait's equation, viscosity in Pa s."""

    density: float
    bulk_modulus: float
    gamma: float
    viscosity: float


Law = ElasticLaw | SandLaw | WaterLaw


def lame(young_modulus: float, poisson_ratio: float) -> tuple[float, float]:
    """Return mu and lambda in Pa."""
    mu = young_modulus / (2 * (1 + poisson_ratio))
    return mu, young_modulus * poisson_ratio / ((1 + poisson_ratio) * (1 - 2 * poisson_ratio))


def law_table(laws: Sequence[Law]) -> NDArray[np.float32]:
    """Write each law's numbers into a row, (laws, PARAMETERS)."""
    table = np.zeros((len(laws), PARAMETERS))
    for row, law in zip(table, laws, strict=True):
        match law:
            case ElasticLaw():
                row[:3] = ELASTIC, *lame(law.young_modulus, law.poisson_ratio)
            case SandLaw():
                row[:3] = SAND, *lame(law.young_modulus, law.poisson_ratio)
                row[SLOPE : TIP + 1] = _yield_surface(law)
            case WaterLaw():
                row[KIND] = WATER
                row[BULK : VISCOSITY + 1] = law.bulk_modulus, law.gamma, law.viscosity
        row[WAVE2] = (row[LAMBDA] + 2 * row[MU] + row[BULK] * (row[KIND] == WATER)) / law.density
    return table.astype(np.float32)


def law_kinds(laws: Sequence[Law]) -> int:
    """Say which kinds are present, as a sum of ELASTIC, SAND, WATER."""
    return int(np.bitwise_or.reduce(law_table(laws)[:, KIND].astype(np.int64), initial=0))


def _yield_surface(law: SandLaw) -> tuple[float, float, float]:
    """Return the yield cone |dev eps| <= COHESION - SLOPE tr eps and its tip's tr eps.

    The cone matches Mohr-Coulomb in triaxial compression; Klár et al. 2016 (27) with cohesion.
    """
    mu, lam = lame(law.young_modulus, law.poisson_ratio)
    sine = math.sin(law.friction_angle)
    slope = math.sqrt(2 / 3) * 2 * sine / (3 - sine) * (3 * lam + 2 * mu) / (2 * mu)
    pull = math.sqrt(2 / 3) * 6 * law.cohesion * math.cos(law.friction_angle) / (3 - sine)
    cohesion = pull / (2 * mu)
    tip = min(cohesion / slope, TENSILE_STRAIN) if slope > 0 else TENSILE_STRAIN
    return slope, cohesion, tip if law.cohesion > 0 else 0.0


@ti.func
def symmetric(m: Mat3) -> Vec6:
    """Pack a symmetric matrix as xx yy zz yz xz xy."""
    return vec6(m[0, 0], m[1, 1], m[2, 2], m[1, 2], m[0, 2], m[0, 1])


@ti.func
def unpacked(s: Vec6) -> Mat3:
    return mat3(s[0], s[5], s[4], s[5], s[1], s[3], s[4], s[3], s[2])


@ti.func
def eigen_symmetric(m: Mat3):
    """Eigenvalues and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations."""
    a = m
    q = mat3(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    sweep = 0
    while sweep < 6:
        off = a[0, 1] ** 2 + a[0, 2] ** 2 + a[1, 2] ** 2
        if off <= 1e-14 * (a[0, 0] ** 2 + a[1, 1] ** 2 + a[2, 2] ** 2):
            sweep = 6
        else:
            for i, j in ti.static(((0, 1), (0, 2), (1, 2))):
                if a[i, j] != 0.0:
                    theta = 0.5 * (a[j, j] - a[i, i]) / a[i, j]
                    sign = ti.select(theta < 0.0, -1.0, 1.0)
                    t = sign / (abs(theta) + ti.sqrt(theta * theta + 1.0))
                    c = 1.0 / ti.sqrt(t * t + 1.0)
                    s = t * c
                    k = ti.static(3 - i - j)
                    a[i, i], a[j, j] = a[i, i] - t * a[i, j], a[j, j] + t * a[i, j]
                    ik, jk = c * a[i, k] - s * a[j, k], s * a[i, k] + c * a[j, k]
                    a[i, k], a[k, i], a[j, k], a[k, j] = ik, ik, jk, jk
                    a[i, j], a[j, i] = 0.0, 0.0
                    for r in ti.static(range(3)):
                        q[r, i], q[r, j] = c * q[r, i] - s * q[r, j], s * q[r, i] + c * q[r, j]
            sweep += 1
    return vec3(a[0, 0], a[1, 1], a[2, 2]), q


@ti.func
def scaled_basis(q: Mat3, d: Vec3) -> Mat3:
    """Return q diag(d) q^T."""
    return (
        d[0] * vec3(q[0, 0], q[1, 0], q[2, 0]).outer_product(vec3(q[0, 0], q[1, 0], q[2, 0]))
        + d[1] * vec3(q[0, 1], q[1, 1], q[2, 1]).outer_product(vec3(q[0, 1], q[1, 1], q[2, 1]))
        + d[2] * vec3(q[0, 2], q[1, 2], q[2, 2]).outer_product(vec3(q[0, 2], q[1, 2], q[2, 2]))
    )


@ti.func
def stretch_by_eigenvalues(b: Mat3, j: f32) -> Mat3:
    """Left stretch V of F = V R with a rotation R; one stretch is negative where J < 0."""
    value, q = eigen_symmetric(b)
    d = ti.sqrt(ti.max(value, 0.0))
    if j < 0.0:
        if d[0] <= d[1] and d[0] <= d[2]:
            d[0] = -d[0]
        elif d[1] <= d[2]:
            d[1] = -d[1]
        else:
            d[2] = -d[2]
    return scaled_basis(q, d)


@ti.func
def stretch_by_newton(b: Mat3, j: f32) -> Mat3:
    """Left stretch V = sqrt(b) from its invariants.

    Newton on the quartic (s^2 - tr b)^2 = 4 II_b + 8 J s of s = tr V, from above (Franca 1989;
    Lin, Chitalu and Komura 2022), then V (b + II_V) = I_V b + J by Cayley-Hamilton
    (Hoger and Carlson 1984).
    """
    c1 = b[0, 0] + b[1, 1] + b[2, 2]
    yz = b[1, 1] * b[2, 2] - b[1, 2] * b[1, 2]
    xz = b[0, 0] * b[2, 2] - b[0, 2] * b[0, 2]
    c2 = b[0, 0] * b[1, 1] - b[0, 1] * b[0, 1] + xz + yz
    s = ti.sqrt(3.0 * c1)
    change = s
    steps = 0
    while abs(change) > 1e-6 * s and steps < 12:
        e = s * s - c1
        change = (e * e - 4.0 * c2 - 8.0 * j * s) / (4.0 * s * e - 8.0 * j)
        s -= change
        steps += 1
    h = 0.5 * (s * s - c1)
    # The inverse of b + II_V, symmetric, by cofactors.
    x, y, z = b[0, 0] + h, b[1, 1] + h, b[2, 2] + h
    p, q, r = b[1, 2], b[0, 2], b[0, 1]
    ixx, iyy, izz = y * z - p * p, x * z - q * q, x * y - r * r
    iyz, ixz, ixy = q * r - x * p, r * p - y * q, p * q - z * r
    scale = 1.0 / (x * ixx + r * ixy + q * ixz)
    # V = I_V - (I_V II_V - J) (b + II_V)^-1
    k = -(s * h - j) * scale
    vxx, vyy, vzz = s + k * ixx, s + k * iyy, s + k * izz
    vyz, vxz, vxy = k * iyz, k * ixz, k * ixy
    return mat3(vxx, vxy, vxz, vxy, vyy, vyz, vxz, vyz, vzz)


@ti.func
def elastic_stress(f: Mat3, mu: f32, lam: f32):
    """Return tau = 2 mu (b - V) + lambda J (J - 1), and rho0 c^2 of its fastest wave."""
    j = f.determinant()
    b = f @ f.transpose()
    v = mat3(0.0)
    if j > UNSAFE:
        v = stretch_by_newton(b, j)
    if j <= UNSAFE:
        v = stretch_by_eigenvalues(b, j)
    tau = symmetric(2.0 * mu * (b - v))
    for i in ti.static(range(3)):
        tau[i] += lam * j * (j - 1.0)
    # The largest eigenvalue of b is at most mean + sqrt(2/3) |dev b|.
    mean = (b[0, 0] + b[1, 1] + b[2, 2]) / 3.0
    dev2 = (b[0, 0] - mean) ** 2 + (b[1, 1] - mean) ** 2 + (b[2, 2] - mean) ** 2
    dev2 += 2.0 * (b[0, 1] ** 2 + b[0, 2] ** 2 + b[1, 2] ** 2)
    stretch2 = mean + ti.sqrt(2.0 / 3.0 * dev2)
    return tau, 2.0 * mu * stretch2 + lam * j * j


@ti.func
def sand_return_map(strain: Vec3, gained: f32, slope: f32, cohesion: f32, tip: f32):
    """Project principal Hencky strains onto the yield cone; return them and the volume gained.

    `gained` is the volumetric strain that tension has left behind (Tampubolon et al. 2017, 3.2).
    """
    e = strain + gained / 3.0
    trace = e.sum()
    left = 0.0
    if trace >= tip:
        e = vec3(tip / 3.0)
        left = trace - tip
    else:
        deviator = e - trace / 3.0
        size = deviator.norm()
        over = size - ti.max(cohesion - slope * trace, 0.0)
        if over > 0.0:
            e -= deviator * (over / size)
    return e, left


@ti.func
def sand_stress(b: Mat3, gained: f32, law: i32, table: template):
    """Return the projected stretch, tau and the volume gained."""
    value, q = eigen_symmetric(b)
    strain = 0.5 * ti.log(ti.max(value, 1e-8))
    slope, cohesion, tip = table[law, SLOPE], table[law, COHESION], table[law, TIP]
    e, left = sand_return_map(strain, gained, slope, cohesion, tip)
    tau = 2.0 * table[law, MU] * e + table[law, LAMBDA] * e.sum()
    return scaled_basis(q, ti.exp(e)), symmetric(scaled_basis(q, tau)), left


@ti.func
def water_pressure(j: f32, bulk: f32, gamma: f32) -> f32:
    """Tait: p = K / gamma (J^-gamma - 1), in Pa; a free surface bears no tension."""
    return bulk / gamma * (ti.pow(ti.min(j, 1.0), -gamma) - 1.0)


@ti.func
def water_stress(j: f32, grad: Mat3, law: i32, table: template):
    """Return tau = J (-p + 2 eta dev D), and rho0 c^2 of sound."""
    bulk, gamma = table[law, BULK], table[law, GAMMA]
    p = water_pressure(j, bulk, gamma)
    rate = 0.5 * (grad + grad.transpose())
    mean = (rate[0, 0] + rate[1, 1] + rate[2, 2]) / 3.0
    tau = symmetric(rate) * (2.0 * table[law, VISCOSITY] * j)
    for i in ti.static(range(3)):
        tau[i] -= j * p + 2.0 * table[law, VISCOSITY] * j * mean
    return tau, (bulk + gamma * p) * ti.min(j, 1.0)
