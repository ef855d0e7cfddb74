# mypy: disable-error-code="misc"
"""Impulses at contacts: projected Gauss-Seidel with Coulomb friction; called by world.

Sums in arrays are spelled out: Taichi's += is atomic, and slow in double precision.
Each contact holds its relative velocity along the normal at its target or above with an impulse
that only presses; across it the impulse stays within friction times that (a disc, not a pyramid).
Overlaps are mended by a velocity of their own that the momentum never sees (split impulses).
The response W (6, 6) of a body may hold grid nodes that it drags along: see coupling.
"""

import taichi as ti

from ..array_types import Reals, Reals2, Reals3, Spans, dvec3, f64, i32, template
from .contacts import (
    AT,
    BOUNCE,
    FIRST,
    GAP,
    GRIP,
    NORMAL,
    POINT,
    PRESS,
    RUB,
    SECOND,
    first_of,
    is_of,
)
from .motion import vector_at

MEND = 0.2
"""Share of an overlap that is mended in a substep."""
TARGET, MENDING, MENDED, STIFF = 72, 73, 74, 75
"""Columns of a row behind three directions' 12 + 12 of J and W J^T: speeds that are wanted, impulse
that mended, mass along each direction."""
ROW = 78


@ti.func
def resume(
    c: i32, start: i32, last_count: i32, last_int: template, last: template,
    contact_int: template, contact: template,
):  # fmt: skip
    """Take over the impulses that the same contact had in the last substep."""
    pair = ti.Vector([contact_int[c, FIRST], contact_int[c, SECOND]])
    at = first_of(pair, start, last_count, last_int)
    o = at
    while is_of(pair, o, last_count, last_int):
        if last_int[o, POINT] == contact_int[c, POINT]:
            for d in range(PRESS, RUB + 3):
                contact[c, d] = last[o, d]
        o += 1
    return at


@ti.func
def basis(n, d: template):
    """Return the normal, or one of two directions across it."""
    result = n
    if ti.static(d > 0):
        side = dvec3(0, 0, 1) if abs(n[0]) > 0.5 else dvec3(1, 0, 0)
        across = n.cross(side)
        across /= across.norm()
        result = across if ti.static(d == 1) else n.cross(across)
    return result


@ti.func
def prepare_row(
    c: i32, d: template, bodies: i32, things: i32, position: template, response: template,
    contact_int: template, contact: template, rows: template,
):  # fmt: skip
    """Write J and W J^T of a contact along one direction, and how stiff it is."""
    a, b = contact_int[c, FIRST], contact_int[c, SECOND]
    direction = basis(vector_at(contact, c, NORMAL), d)
    x = vector_at(contact, c, AT)
    stiff = f64(0.0)
    for side in ti.static(range(2)):
        n = a if ti.static(side == 0) else b
        sign = 1 if ti.static(side == 0) else -1
        arm = dvec3(0, 0, 0)
        if n < things:
            arm = x - vector_at(position, n, 0)
        twist = arm.cross(direction)
        first = 24 * d + 6 * side
        for e in ti.static(range(3)):
            rows[c, first + e] = sign * direction[e] if n < things else 0
            rows[c, first + 3 + e] = sign * twist[e] if n < things else 0
        for e in range(6):
            total = f64(0.0)
            if n < bodies:
                for g in range(6):
                    total += response[n, e, g] * rows[c, first + g]
            rows[c, first + 12 + e] = total
            stiff += total * rows[c, first + e]
    rows[c, STIFF + d] = 1 / ti.max(stiff, 1e-30)


@ti.func
def speed_of(
    c: i32, d: i32, things: i32, velocity: template, contact_int: template, rows: template
):
    """Relative velocity at a contact along a direction."""
    result = f64(0.0)
    for side in ti.static(range(2)):
        n = contact_int[c, side]
        if n < things:
            for e in range(6):
                result += rows[c, 24 * d + 6 * side + e] * velocity[n, e]
    return result


@ti.func
def give(
    c: i32,
    d: i32,
    impulse: f64,
    bodies: i32,
    velocity: template,
    contact_int: template,
    rows: template,
):
    """Let an impulse act on the velocities of both."""
    for side in ti.static(range(2)):
        n = contact_int[c, side]
        if n < bodies:
            for e in range(6):
                gained = rows[c, 24 * d + 6 * side + 12 + e] * impulse
                velocity[n, e] = velocity[n, e] + gained


@ti.func
def rub(
    c: i32, bodies: i32, things: i32, velocity: template, contact_int: template, contact: template,
    rows: template,
):  # fmt: skip
    """Let friction act across a contact's normal: both directions at once, within its disc."""
    old_1, old_2 = contact[c, RUB], contact[c, RUB + 1]
    speed_1 = speed_of(c, 1, things, velocity, contact_int, rows)
    speed_2 = speed_of(c, 2, things, velocity, contact_int, rows)
    new_1, new_2 = old_1 - speed_1 * rows[c, STIFF + 1], old_2 - speed_2 * rows[c, STIFF + 2]
    length = ti.sqrt(new_1 * new_1 + new_2 * new_2)
    limit = contact[c, GRIP] * contact[c, PRESS]
    if length > limit:
        new_1, new_2 = new_1 * limit / length, new_2 * limit / length
    contact[c, RUB], contact[c, RUB + 1] = new_1, new_2
    give(c, 1, new_1 - old_1, bodies, velocity, contact_int, rows)
    give(c, 2, new_2 - old_2, bodies, velocity, contact_int, rows)


@ti.func
def target_speed(
    c: i32, bodies: i32, things: i32, dt: f64, resting: f64, fall: template, velocity: template,
    contact_int: template, contact: template, rows: template,
):  # fmt: skip
    """Least speed along the normal: closes a gap at most, or is what a bounce leaves."""
    gap = contact[c, GAP]
    speed = speed_of(c, 0, things, velocity, contact_int, rows)
    target = ti.min(-gap / dt, f64(0.0))
    if speed < -resting and gap + speed * dt < 0:
        # It bounces here, a bit early: take off what it would gain and lose further down.
        pull = f64(0.0)
        along = vector_at(contact, c, NORMAL).dot(dvec3(fall[0], fall[1], fall[2]))
        if contact_int[c, FIRST] < bodies:
            pull -= along
        if contact_int[c, SECOND] < bodies:
            pull += along
        kept = contact[c, BOUNCE] ** 2
        left = kept * speed * speed - 2 * pull * ti.max(gap, f64(0.0)) * (1 - kept)
        target = ti.max(target, ti.sqrt(ti.max(left, f64(0.0))))
    return target


@ti.func
def press(
    c: i32, bodies: i32, things: i32, velocity: template, contact_int: template, contact: template,
    rows: template,
):  # fmt: skip
    """Let a contact press until it has its target speed."""
    speed = speed_of(c, 0, things, velocity, contact_int, rows)
    old = contact[c, PRESS]
    new = ti.max(f64(0.0), old + (rows[c, TARGET] - speed) * rows[c, STIFF])
    contact[c, PRESS] = new
    give(c, 0, new - old, bodies, velocity, contact_int, rows)


@ti.func
def mend(c: i32, bodies: i32, shift: template, contact_int: template, rows: template):
    """Push an overlap apart by a velocity beside the momentum."""
    if rows[c, MENDING] > 0:
        speed = speed_of(c, 0, bodies, shift, contact_int, rows)
        old = rows[c, MENDED]
        new = ti.max(f64(0.0), old + (rows[c, MENDING] - speed) * rows[c, STIFF])
        rows[c, MENDED] = new
        give(c, 0, new - old, bodies, shift, contact_int, rows)


@ti.func
def start(
    c: i32,
    bodies: i32,
    velocity: template,
    contact_int: template,
    contact: template,
    rows: template,
):
    """Let the last substep's impulse act; that across the normal in the new directions."""
    rub = vector_at(contact, c, RUB)
    n = vector_at(contact, c, NORMAL)
    contact[c, RUB] = rub.dot(basis(n, 1))
    contact[c, RUB + 1] = rub.dot(basis(n, 2))
    for d in range(3):
        give(c, d, contact[c, PRESS + d], bodies, velocity, contact_int, rows)


@ti.func
def finish(
    c: i32,
    bodies: i32,
    momentum: template,
    contact_int: template,
    contact: template,
    rows: template,
):
    """Give the whole impulse to the momentum; keep that across the normal in the world."""
    n = vector_at(contact, c, NORMAL)
    for d in range(3):
        impulse = contact[c, PRESS + d]
        for side in ti.static(range(2)):
            m = contact_int[c, side]
            if m < bodies:
                for e in range(6):
                    gained = rows[c, 24 * d + 6 * side + e] * impulse
                    momentum[m, e] = momentum[m, e] + gained
    rub = contact[c, RUB] * basis(n, 1) + contact[c, RUB + 1] * basis(n, 2)
    for d in ti.static(range(3)):
        contact[c, RUB + d] = rub[d]


@ti.kernel
def solve_contacts(
    bodies: i32,
    dt: f64,
    resting: f64,  # m/s up to which nothing bounces
    fall: Reals,  # [3] m/s^2 that all bodies share
    rounds: i32,
    slop: f64,  # m of overlap that is left alone: what is mended to nothing never comes to rest
    mend_limit: f64,  # m/s
    count: i32,
    last_count: i32,
    position: Reals2,
    response: Reals3,  # [bodies, 6, 6] velocity per impulse
    velocity: Reals2,  # [things, 6] in place
    momentum: Reals2,  # [bodies, 6] in place
    shift: Reals2,  # [bodies, 6] written: what mends overlaps
    last_int: Spans,
    last: Reals2,
    contact_int: Spans,
    contact: Reals2,
    rows: Reals2,  # [most, ROW] room to work
):
    ti.loop_config(serialize=True)
    for _ in range(1):
        things = position.shape[0]
        for n in range(bodies):
            for e in range(6):
                shift[n, e] = 0
        at = 0
        for c in range(count):
            at = resume(c, at, last_count, last_int, last, contact_int, contact)
            for d in ti.static(range(3)):
                prepare_row(c, d, bodies, things, position, response, contact_int, contact, rows)
            rows[c, TARGET] = target_speed(
                c, bodies, things, dt, resting, fall, velocity, contact_int, contact, rows
            )
            over = ti.max(-contact[c, GAP] - slop, f64(0.0))
            rows[c, MENDING], rows[c, MENDED] = ti.min(MEND * over / dt, mend_limit), 0
        for c in range(count):
            start(c, bodies, velocity, contact_int, contact, rows)
        for _r in range(rounds):
            for c in range(count):
                press(c, bodies, things, velocity, contact_int, contact, rows)
                rub(c, bodies, things, velocity, contact_int, contact, rows)
        for c in range(count):
            finish(c, bodies, momentum, contact_int, contact, rows)
        for _r in range(rounds):
            for c in range(count):
                mend(c, bodies, shift, contact_int, rows)
