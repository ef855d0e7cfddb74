# mypy: disable-error-code="misc"
"""Distances to a rigid thing's surface, in its own space; called by contacts."""

import taichi as ti

from ..array_types import dvec3, dvec4, f64, i32, template

NODE0, NX, NY, NZ, POINT0, POINT1 = 0, 1, 2, 3, 4, 5
SHAPE_INTS = 6
"""What a thing has in integers: its first node, nodes along each axis, first and last + 1 point."""
ORIGIN, SPACING, BALL, REACH, FRICTION, RESTITUTION = 0, 3, 4, 5, 6, 7
SHAPE_REALS = 8
FAR = 1e9
CLOSER = 3
"""Rounds in which a ball finds its point nearest to a surface."""


@ti.func
def distance_at(local, s: i32, ints: template, reals: template, field: template):
    """Gradient and value [m] of a shape's distance at a place in its space; FAR outside."""
    result = dvec4(0, 0, 1, FAR)
    if reals[s, BALL] > 0:
        length = local.norm()
        if length > 1e-12:
            n = local / length
            result = dvec4(n[0], n[1], n[2], length - reals[s, BALL])
        else:
            result = dvec4(0, 0, 1, -reals[s, BALL])
    else:
        h = reals[s, SPACING]
        at = (local - dvec3(reals[s, 0], reals[s, 1], reals[s, 2])) / h
        n = ti.Vector([ints[s, NX], ints[s, NY], ints[s, NZ]])
        inside = True
        for d in ti.static(range(3)):
            inside = inside and at[d] >= 0 and at[d] <= n[d] - 1
        if inside:
            c = ti.min(ti.cast(at, i32), n - 2)
            f = at - ti.cast(c, f64)
            value, gradient = f64(0.0), dvec3(0, 0, 0)
            for i, j, k in ti.static(ti.ndrange(2, 2, 2)):
                wx = f[0] if ti.static(i) else 1 - f[0]
                wy = f[1] if ti.static(j) else 1 - f[1]
                wz = f[2] if ti.static(k) else 1 - f[2]
                node = ints[s, NODE0] + ((c[0] + i) * n[1] + c[1] + j) * n[2] + c[2] + k
                d = ti.cast(field[node], f64)
                value += wx * wy * wz * d
                gradient += d * dvec3(
                    (2 * i - 1) * wy * wz, (2 * j - 1) * wx * wz, (2 * k - 1) * wx * wy
                )
            gradient /= h
            result = dvec4(gradient[0], gradient[1], gradient[2], value)
    return result


@ti.func
def in_grid(local, s: i32, ints: template, reals: template):
    """Move a place to the nearest in a shape's grid."""
    result = local
    h = reals[s, SPACING]
    for d in ti.static(range(3)):
        low = reals[s, d]
        high = low + h * ti.cast(ints[s, NX + d] - 1, f64)
        result[d] = ti.min(ti.max(local[d], low), high)
    return result


@ti.func
def touch(local, radius: f64, s: i32, ints: template, reals: template, field: template):
    """Gradient and gap [m] of a point, or of a ball about it, over a shape."""
    result = distance_at(local, s, ints, reals, field)
    if radius > 0:
        if reals[s, BALL] > 0:
            result[3] -= radius
        else:
            # The grid may end before the ball's centre: look where the ball is nearest.
            near = distance_at(in_grid(local, s, ints, reals), s, ints, reals, field)
            for _ in range(CLOSER):
                n = dvec3(near[0], near[1], near[2])
                n /= ti.max(n.norm(), 1e-12)
                near = distance_at(
                    in_grid(local - radius * n, s, ints, reals), s, ints, reals, field
                )
                clear = local - radius * n - in_grid(local - radius * n, s, ints, reals)
                if clear.norm() > 0:
                    near[3] = ti.max(near[3], clear.norm())
            result = near
    return result
