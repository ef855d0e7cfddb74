"""What two bodies do to each other at the nodes that both have mass at; called by stepper.

Each body moves in a layer of the grid of its own (layers). Where two meet, impulses between
their nodes keep them out of each other, rub, and let them part, as Bardenhagen et al. 2001 (An
improved contact algorithm for the material point method) do it, with three differences:

1. Impulses act between pairs, opposite and equal: momentum is kept to rounding, however many meet.
2. The normal is that of one of both surfaces, each taken from its own body's masses around the
   node: of the one along which the bodies lie farther apart, and which is flatter. A mean of both
   tilts at edges, and a sliding block then trips over its own. Where neither is flat, as where
   bars meet end to end, both tilt: there the normal is the way from one mass to the other along
   which both end (`parting`).
3. Bodies touch where their surfaces do, not where their nodes do. How far a node is from a body's
   surface follows from how far the body's mass around it lies along the normal, and how spread
   (`surface_distance`). What is apart may approach by the gap in one step, and no faster.

Contact acts on momentum, before the forces that push all bodies alike. It is inelastic at a node;
what bounces, bounces by its own elasticity.
"""

import taichi as ti

from ...array_types import (
    Floats,
    Ints,
    Mat3,
    Spans,
    Vec3,
    Vec4,
    Vec4s,
    f32,
    i32,
    mat3,
    template,
    vec3,
    vec4,
)
from ..state import BLOCK

CHUNK = 512
LEAST = 1e-4
"""Share of the other's mass below which a body is not there: only a stencil's tip touches."""
MIXED = 1e-3
"""Cells from a node to the centre of a body's mass around it below which it has no side to show."""
FLATNESS = 0.2
"""Cells of gap that a surface may show less, if its mass spreads by a square cell more along it."""
FLAT = 0.9
"""Square cells that mass spreads by along a flat surface, all directions in it together; it is 1 in
the middle of one, 3/4 at its edge."""
THINNEST = 0.02
"""Square cells of spread that keep single layers of particles from counting too much."""
TOUCH = 0.03
"""Cells between surfaces, as they are judged, that count as touching."""
REACHED = 5
"""Base nodes along an axis of particles that may write to a node, a cell of drift included."""


@ti.func
def owner_near(at: i32, sx: i32, sy: i32, owner: template) -> i32:
    """Return the body whose particles may write to a node, by where they were at the last sort."""
    found = 0
    for i in range(REACHED):
        if found == 0:
            for j in range(REACHED):
                if found == 0:
                    line = at + outwards(i) * sx + outwards(j) * sy
                    for k in range(REACHED):
                        if found == 0:
                            base = ti.math.clamp(line + outwards(k), 0, owner.shape[0] - 1)
                            found = owner[base]
    return ti.max(found - 1, 0)


@ti.func
def outwards(n: i32) -> i32:
    """Return -1, 0, -2, 1, -3 for 0 to 4: base nodes, the nearest first."""
    half = (n + 1) // 2
    return -1 + (half if n % 2 == 1 else -half)


@ti.func
def mass_around(at: i32, sx: i32, sy: i32, grid: template):
    """Centre [cells from the node] and spread (covariance, cells^2) of the mass at 27 nodes.

    Binomial weights make the neighbourhood about the same in all directions.
    """
    total, first = 0.0, vec3(0.0)
    square, mixed = vec3(0.0), vec3(0.0)
    for i, j in ti.static(ti.ndrange((-1, 2), (-1, 2))):
        line = at + i * sx + j * sy
        low, high = 0.5 * grid[line - 1][3], 0.5 * grid[line + 1][3]
        weight = ti.static(1.0 / (1 << (i * i + j * j)))
        ends, tilt = weight * (low + high), weight * (high - low)
        m = weight * grid[line][3] + ends
        total += m
        first += vec3(i * m, j * m, tilt)
        square += vec3(i * i * m, j * j * m, ends)
        mixed += vec3(j * tilt, i * tilt, i * j * m)
    first /= total
    square, mixed = square / total - first**2, mixed / total
    yz, xz = mixed[0] - first[1] * first[2], mixed[1] - first[0] * first[2]
    xy = mixed[2] - first[0] * first[1]
    return first, mat3(square[0], xy, xz, xy, square[1], yz, xz, yz, square[2])


@ti.func
def surface_distance(a: f32, s: f32) -> f32:
    """Cells from a node to the surface of the body whose mass lies `a` away, with the variance s.

    Fitted to half spaces, slabs and edges, at many angles and offsets from -1 to 1 cell, of 8
    particles a cell: within 0.03 cells (rms) from -0.6 to 0.6 for what is thicker than a cell, 0.06
    up to 1; a layer of single particles seems 0.15 cells nearer than it is.
    """
    a, s = ti.math.clamp(a, 0.0, 1.2), ti.math.clamp(s, 0.0, 0.55)
    r = 0.4422 + a * (1.3393 + a * (-0.5098 - 0.2017 * a))
    return r + s * (-4.9685 + 1.9471 * s + a * (0.6214 + 2.7123 * a))


@ti.func
def gap_along(n: Vec3, ca: Vec3, sa: Mat3, cb: Vec3, sb: Mat3) -> f32:
    """Cells between two bodies along n, which points from the first to the second."""
    first = surface_distance(-ca.dot(n), n.dot(sa @ n))
    return first + surface_distance(cb.dot(n), n.dot(sb @ n))


@ti.func
def parting(ca: Vec3, sa: Mat3, cb: Vec3, sb: Mat3) -> Vec3:
    """Direction from one mass to the other in which both end here; not of unit length.

    Fisher's linear discriminant S^-1 (cb - ca), S the sum of both spreads, is exact where both
    bodies end at the same places across it: what is alike in both drops out. S^-4 instead of S^-1
    weighs less the directions in which only one of both ends, as where edges lie apart.
    """
    s = sa + sb
    for d in ti.static(range(3)):
        s[d, d] += THINNEST
    once = s.inverse()
    twice = once @ once
    return twice @ (twice @ (cb - ca))


@ti.func
def impulse_between(v: Vec3, n: Vec3, apart: f32, mass: f32, friction: f32) -> Vec3:
    """Impulse on what has the relative velocity v along n, from what n points away from.

    It may approach at `apart` m/s. Coulomb: across n no more than friction times what is along n.
    `mass` is the reduced one of both.
    """
    result = vec3(0.0)
    into = v.dot(n)
    if into < -apart:
        press = -apart - into
        along = v - into * n
        speed = along.norm()
        rub = ti.min(friction * press, speed)
        result = mass * (press * n - rub / ti.max(speed, 1e-20) * along)
    return result


@ti.func
def impulse_of_pair(
    a: i32, b: i32, ga: Vec4, gb: Vec4, sx: i32, sy: i32, cell_speed: f32, friction: template,
    owner: template, grid: template,
) -> Vec3:  # fmt: skip
    """Impulse that node b gets from node a; they hold momentum."""
    result = vec3(0.0)
    ca, sa = mass_around(a, sx, sy, grid)
    cb, sb = mass_around(b, sx, sy, grid)
    if ti.min(ca.norm(), cb.norm()) > MIXED:
        na, nb = -ca.normalized(), cb.normalized()
        flat, other_flat = sa.trace() - na.dot(sa @ na), sb.trace() - nb.dot(sb @ nb)
        v = vec3(gb[0], gb[1], gb[2]) / gb[3] - vec3(ga[0], ga[1], ga[2]) / ga[3]
        edged = ti.max(flat, other_flat) < FLAT
        # What parts along either needs no closer look.
        if edged or ti.min(v.dot(na), v.dot(nb)) < 0.0:
            gap, other_gap = gap_along(na, ca, sa, cb, sb), gap_along(nb, ca, sa, cb, sb)
            n = na
            if other_gap > gap + FLATNESS * (flat - other_flat):
                n, gap = nb, other_gap
            if edged:
                n = parting(ca, sa, cb, sb).normalized()
                gap = gap_along(n, ca, sa, cb, sb)
            apart = ti.max(gap - TOUCH, 0.0) * cell_speed
            if v.dot(n) < -apart:
                one, two = owner_near(a, sx, sy, owner), owner_near(b, sx, sy, owner)
                grip = ti.sqrt(friction[one] * friction[two])
                result = impulse_between(v, n, apart, ga[3] * gb[3] / (ga[3] + gb[3]), grip)
    return result


@ti.func
def are_stuck(a: i32, b: i32, first: template, other: template) -> i32:
    found = 0
    for k in range(first[a], first[a + 1]):
        if other[k] == b:
            found = 1
    return found


@ti.func
def meet(
    a: i32, b: i32, sx: i32, sy: i32, cell_speed: f32, friction: template, first: template,
    other: template, owner: template, grid: template,
):  # fmt: skip
    """Exchange what two nodes of one place, in two layers, do to each other."""
    ga, gb = grid[a], grid[b]
    if ga[3] > LEAST * gb[3] and gb[3] > LEAST * ga[3]:
        p, stuck = vec3(0.0), 0
        if other.shape[0] > 1:
            one, two = owner_near(a, sx, sy, owner), owner_near(b, sx, sy, owner)
            stuck = are_stuck(one, two, first, other)
        if stuck > 0:
            share = gb[3] / (ga[3] + gb[3])
            p = share * vec3(ga[0], ga[1], ga[2]) - (1.0 - share) * vec3(gb[0], gb[1], gb[2])
        else:
            p = impulse_of_pair(a, b, ga, gb, sx, sy, cell_speed, friction, owner, grid)
        grid[a] = ga - vec4(p[0], p[1], p[2], 0.0)
        grid[b] = gb + vec4(p[0], p[1], p[2], 0.0)


@ti.kernel
def meet_blocks(
    sx: i32,
    sy: i32,
    nodes: i32,  # of a layer
    layers: i32,
    cell_speed: f32,  # m/s that cross a cell in this substep
    span: Spans,  # [blocks, 4] first node along x, y; first and last + 1 along z
    friction: Floats,  # [bodies]
    first: Ints,  # [bodies + 1] where the bodies that each is stuck to begin in `other`
    other: Ints,
    owner: Ints,  # [layers, nodes] body + 1 of the particles near, 0 for none
    grid: Vec4s,  # [layers, nodes] N s and kg; momentum is exchanged
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            s = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = (span[s, 0] + i) * sx + (span[s, 1] + j) * sy
                for at in range(line + span[s, 2], line + span[s, 3]):
                    for one in range(layers):
                        if grid[one * nodes + at][3] > 0.0:
                            for two in range(one + 1, layers):
                                if grid[two * nodes + at][3] > 0.0:
                                    meet(
                                        one * nodes + at, two * nodes + at, sx, sy, cell_speed,
                                        friction, first, other, owner, grid,
                                    )  # fmt: skip
