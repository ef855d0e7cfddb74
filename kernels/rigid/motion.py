# mypy: disable-error-code="misc"
"""Free motion of rigid bodies, and rotations as unit quaternions (w, x, y, z); called by world.

x centre of mass [m], q body to world, p linear and L angular momentum about the centre, all in
float64. Momentum is what is kept, velocity what follows: v = p / m, omega = R I^-1 R^T L.
"""

import taichi as ti

from ..array_types import Reals2, Reals3, dmat3, dvec3, dvec4, f64, template

ROUNDS = 5
"""Fixed-point rounds of the midpoint rule; each gains as many digits as the turn is small."""


@ti.func
def vector_at(rows: template, n: template, first: template):
    return dvec3(rows[n, first], rows[n, first + 1], rows[n, first + 2])


@ti.func
def turn_at(turn: template, n: template):
    return dvec4(turn[n, 0], turn[n, 1], turn[n, 2], turn[n, 3])


@ti.func
def matrix_of(q):
    """Rotation matrix of a unit quaternion."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    return dmat3(
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip


# By value: a template argument that a branch's result is assigned to keeps its old value.
@ti.func
def turned(q, by):
    """Turn a unit quaternion about the world's axes by a rotation vector [rad]."""
    angle = by.norm()
    half = 0.5 * angle
    # sin(a / 2) / a by its series where the quotient loses digits
    share = 0.5 - half * half / 12
    if angle > 1e-4:
        share = ti.sin(half) / angle
    w, v = ti.cos(half), by * share
    u = dvec3(q[1], q[2], q[3])
    real = w * q[0] - v.dot(u)
    rest = w * u + q[0] * v + v.cross(u)
    result = dvec4(real, rest[0], rest[1], rest[2])
    return result / result.norm()


@ti.func
def inverse_inertia(q, inverse: template, n: template):
    """Inverse inertia of a body in the world: R I^-1 R^T."""
    r = matrix_of(q)
    local = dmat3(
        inverse[n, 0, 0], inverse[n, 0, 1], inverse[n, 0, 2],
        inverse[n, 1, 0], inverse[n, 1, 1], inverse[n, 1, 2],
        inverse[n, 2, 0], inverse[n, 2, 1], inverse[n, 2, 2],
    )  # fmt: skip
    return r @ local @ r.transpose()


@ti.kernel
def move(
    dt: f64,
    mass: Reals2,  # [n, 1] kg
    inverse: Reals3,  # [n, 3, 3] 1 / (kg m^2), body
    momentum: Reals2,  # [n, 6] kg m/s and kg m^2/s, world
    shift: Reals2,  # [n, 6] m/s and rad/s: a velocity beside the momentum, that mends overlaps
    position: Reals2,  # [bodies, 3] m, in place; bodies from n on stay
    turn: Reals2,  # [bodies, 4], in place
):
    """Move bodies for dt with their momentum: the midpoint rule, with L fixed in the world."""
    ti.loop_config(serialize=True)
    for n in range(mass.shape[0]):
        travel = vector_at(momentum, n, 0) / mass[n, 0] + vector_at(shift, n, 0)
        spin = vector_at(momentum, n, 3)
        q = turn_at(turn, n)
        omega = inverse_inertia(q, inverse, n) @ spin
        for _ in range(ROUNDS):
            omega = inverse_inertia(turned(q, 0.5 * dt * omega), inverse, n) @ spin
        q = turned(turned(q, dt * omega), dt * vector_at(shift, n, 3))
        for d in ti.static(range(3)):
            position[n, d] += dt * travel[d]
        for d in ti.static(range(4)):
            turn[n, d] = q[d]
