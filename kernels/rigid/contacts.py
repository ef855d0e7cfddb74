# mypy: disable-error-code="misc"
"""Where rigid bodies touch: points of one against distances of the other; called by world.

Things are bodies, then colliders; planes come after them. A contact's normal points from its
second thing, whose distance it is, to its first, whose point it is. Per pair and side only the
few contacts go on that hold the body best: the deepest, then what is far from those chosen.
"""

import taichi as ti

from ..array_types import Floats, Ints, Reals, Reals2, Spans, dvec3, f64, i32, template
from .distances import BALL, FAR, FRICTION, POINT0, POINT1, REACH, RESTITUTION, in_grid, touch
from .motion import matrix_of, turn_at, vector_at

KEPT = 4
"""Contacts of a pair and side."""
FIRST, SECOND, POINT = 0, 1, 2
CONTACT_INTS = 3
AT, NORMAL, GAP, GRIP, BOUNCE, PRESS, RUB = 0, 3, 6, 7, 8, 9, 10
"""Place [m], normal, gap [m], friction, restitution, impulse along and across the normal [N s]."""
CONTACT_REALS = 13
SHARP = 0.97
"""Length of a distance's gradient below which an edge is near, where its direction is doubtful."""
DEPTH_WEIGHT = 100.0
"""Metres of distance from other contacts that a metre of depth is worth."""
LEAST_APART = 0.02
"""Share of a body's reach within which two contacts are one."""
LIKELY = 1.2
"""How much better a contact counts that was there in the last substep: its impulse is known."""
SAME_DEPTH = 1e-3
"""Share of a body's reach by which one of those may be higher than the deepest."""
MARGIN = 0.02
"""Share of a body's reach within which things count as near, beside what they may move."""
SURE, KNOWN, FOUND_REALS = 7, 8, 9


@ti.func
def keep_some(
    pair: template, reach: f64, friction: f64, restitution: f64, found: i32, found_real: template,
    found_int: template, start: i32, contact_int: template, contact: template,
):  # fmt: skip
    """Write the KEPT best of the contacts found to the list; return its new length."""
    count = start
    best = f64(FAR)
    sharpest = 0
    for c in range(found):
        if found_real[c, SURE] > 0:
            sharpest = 1
    pick = -1
    lowest = f64(FAR)
    for c in range(found):
        # Doubtful normals count only where there is no other.
        if sharpest == 1 and found_real[c, SURE] == 0:
            found_int[c] = -1 - found_int[c]
        else:
            lowest = ti.min(lowest, found_real[c, GAP])
            depth = found_real[c, GAP] - SAME_DEPTH * reach * found_real[c, KNOWN]
            if depth < best:
                best = depth
                pick = c
    for k in range(KEPT):
        if k > 0 and pick >= 0:
            score = f64(0.0)
            pick_next = -1
            for c in range(found):
                if found_int[c] >= 0:
                    apart = f64(FAR)
                    x = vector_at(found_real, c, AT)
                    for o in range(start, count):
                        apart = ti.min(apart, (x - vector_at(contact, o, AT)).norm())
                    worth = apart - DEPTH_WEIGHT * (found_real[c, GAP] - lowest)
                    if found_real[c, KNOWN] > 0:
                        worth *= LIKELY
                    if apart > LEAST_APART * reach and worth > score:
                        score = worth
                        pick_next = c
            pick = pick_next
        if pick >= 0 and count < contact.shape[0]:
            for d in range(7):
                contact[count, d] = found_real[pick, d]
            contact[count, GRIP], contact[count, BOUNCE] = friction, restitution
            for d in range(PRESS, CONTACT_REALS):
                contact[count, d] = 0
            contact_int[count, FIRST], contact_int[count, SECOND] = pair[0], pair[1]
            contact_int[count, POINT] = found_int[pick]
            found_int[pick] = -1 - found_int[pick]
            count += 1
    return count


@ti.func
def first_of(pair, start: i32, count: i32, contact_int: template):
    """Where a pair's contacts begin in a list that is sorted by pairs, from `start` on."""
    at = start
    going = True
    while going and at < count:
        ahead = contact_int[at, FIRST] - pair[0]
        if ahead == 0:
            ahead = contact_int[at, SECOND] - pair[1]
        going = ahead < 0
        if going:
            at += 1
    return at


@ti.func
def is_of(pair, at: i32, count: i32, contact_int: template):
    result = False
    if at < count:
        result = contact_int[at, FIRST] == pair[0] and contact_int[at, SECOND] == pair[1]
    return result


@ti.func
def recall(
    pair, start: i32, last_count: i32, last_int: template, found: i32, found_real: template,
    found_int: template,
):  # fmt: skip
    """Mark the points that a pair touched with last; return where it begins in that list."""
    at = first_of(pair, start, last_count, last_int)
    o = at
    while is_of(pair, o, last_count, last_int):
        for c in range(found):
            if found_int[c] == last_int[o, POINT]:
                found_real[c, KNOWN] = 1
        o += 1
    return at


@ti.func
def note(
    c: i32, x: template, n: template, gap: f64, sure: f64, p: i32, found_real: template,
    found_int: template,
):  # fmt: skip
    for d in ti.static(range(3)):
        found_real[c, AT + d] = x[d]
        found_real[c, NORMAL + d] = n[d]
    found_real[c, GAP] = gap
    found_real[c, SURE] = sure
    found_real[c, KNOWN] = 0
    found_int[c] = p


@ti.func
def find_on_plane(
    a: i32, margin: f64, q: i32, position: template, turn: template, ints: template,
    reals: template, points: template, planes: template, found_real: template, found_int: template,
):  # fmt: skip
    """Note the points of a thing that are near a plane; return how many."""
    found = 0
    first = ints[a, POINT0]
    n = vector_at(planes, q, 0)
    xa = vector_at(position, a, 0)
    over = n.dot(xa) - planes[q, 3] - reals[a, REACH]
    if planes[q, 5] > 0 and over < margin:
        ra = matrix_of(turn_at(turn, a))
        for p in range(first, ints[a, POINT1]):
            x = xa + ra @ vector_at(points, p, 0) - reals[a, BALL] * n
            gap = n.dot(x) - planes[q, 3]
            if gap < margin:
                note(found, x, n, gap, f64(1.0), p - first, found_real, found_int)
                found += 1
    return found


@ti.func
def find_on_thing(
    a: i32, margin: f64, b: i32, position: template, turn: template, ints: template,
    reals: template, points: template, field: template, found_real: template, found_int: template,
):  # fmt: skip
    """Note the points of a thing that are near another; return how many."""
    found = 0
    first = ints[a, POINT0]
    xa, xb = vector_at(position, a, 0), vector_at(position, b, 0)
    rb = matrix_of(turn_at(turn, b))
    middle = rb.transpose() @ (xa - xb)
    off = middle - in_grid(middle, b, ints, reals)
    if reals[b, BALL] > 0:
        off = middle * ti.max(0, 1 - reals[b, BALL] / ti.max(middle.norm(), 1e-9))
    if off.norm() < reals[a, REACH] + margin:
        ra = matrix_of(turn_at(turn, a))
        for p in range(first, ints[a, POINT1]):
            arm = ra @ vector_at(points, p, 0)
            t = touch(rb.transpose() @ (xa + arm - xb), reals[a, BALL], b, ints, reals, field)
            if t[3] < margin:
                n = rb @ dvec3(t[0], t[1], t[2])
                length = n.norm()
                n /= ti.max(length, 1e-12)
                x = xa + arm - reals[a, BALL] * n
                sure = f64(1.0) if length > SHARP else f64(0.0)
                note(found, x, n, t[3], sure, p - first, found_real, found_int)
                found += 1
    return found


@ti.func
def top_speed(n: i32, velocity: template, reals: template):
    """Speed [m/s] that no point of a thing exceeds."""
    spin = vector_at(velocity, n, 3).norm()
    return vector_at(velocity, n, 0).norm() + spin * reals[n, REACH]


@ti.kernel
def find_contacts(
    bodies: i32,  # things up to here move freely
    dt: f64,
    position: Reals2,  # [things, 3] m
    turn: Reals2,  # [things, 4]
    velocity: Reals2,  # [things, 6]
    ints: Spans,  # [things, SHAPE_INTS]
    reals: Reals2,  # [things, SHAPE_REALS]
    points: Reals2,  # [points, 3] m, each thing's in its own space
    field: Floats,  # distances of all
    planes: Reals2,  # [planes, 6] normal, offset, friction, whether it is there
    found_real: Reals2,  # [most points of a thing, FOUND_REALS] room to work
    found_int: Ints,
    last_count: i32,
    last_int: Spans,  # the contacts of the last substep
    contact_int: Spans,  # [most, CONTACT_INTS] written
    contact: Reals2,  # [most, CONTACT_REALS] written
    total: Reals,  # [1] how many
):
    ti.loop_config(serialize=True)
    for _ in range(1):
        count = 0
        at = 0
        things = ints.shape[0]
        for a in range(things):
            for b in range(things + planes.shape[0]):
                if a != b and (a < bodies or b < bodies):
                    margin = dt * top_speed(a, velocity, reals)
                    grip, bounce = reals[a, FRICTION], reals[a, RESTITUTION]
                    found = 0
                    if b < things:
                        margin += dt * top_speed(b, velocity, reals)
                        margin += MARGIN * ti.min(reals[a, REACH], reals[b, REACH])
                        grip = ti.sqrt(grip * reals[b, FRICTION])
                        bounce = ti.max(bounce, reals[b, RESTITUTION])
                        found = find_on_thing(
                            a, margin, b, position, turn, ints, reals, points, field, found_real,
                            found_int,
                        )  # fmt: skip
                    elif a < bodies:
                        margin += MARGIN * reals[a, REACH]
                        grip = ti.sqrt(grip * planes[b - things, 4])
                        found = find_on_plane(
                            a, margin, b - things, position, turn, ints, reals, points, planes,
                            found_real, found_int,
                        )  # fmt: skip
                    if found > 0:
                        pair = ti.Vector([a, b])
                        at = recall(pair, at, last_count, last_int, found, found_real, found_int)
                        count = keep_some(
                            pair, reals[a, REACH], grip, bounce, found, found_real, found_int,
                            count, contact_int, contact,
                        )  # fmt: skip
        total[0] = count
