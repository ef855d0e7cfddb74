"""Force fields by Blender's formulas: what a field does to 1 kg at a place; called by mpm/forces.

Found by measuring what Blender 5.0 does to its particles, and the same to its rounding:

    d = x - c, n the field's axis (its +Z), s = d . n
    q = d (point), d - s n (line), s n (plane); the falloff's distance is |q|
    f = (1 + max(|q| - low, 0) / unit)^-power, 0 beyond high                      (sphere)
    f = the same of |s|, times the same of |d - s n| (tube), of its angle off n in degrees (cone)

    force       a = strength f q / |q|
    wind        a = strength f n
    vortex      a = strength f |q| (n x d) / |n x d|                              (point)
                a = strength f n x w + w - v, w = strength f (n x d)              (plane)
    turbulence  a = strength f N(d + unit n), or of x itself; N below
    drag        a = -f (strength |v| + damping) v
    harmonic    a = -strength f (q - rest q / |q|) - 2 damping sqrt(|strength|) v
    and -flow f v for the first four; nothing where f = 0

N sums three octaves of Perlin's improved noise P (Improving Noise, SIGGRAPH 2002), of weights
4/7, 2/7, 1/7: of (x, y, z), (y, z, x) and (z, x, y) over the size; with Blender's permutation. A
plane's vortex takes q of the line. What multiplies -v comes out as a rate of its own, so that
strong drag may be implicit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import taichi as ti
from numpy.typing import ArrayLike, NDArray

from .array_types import Ints, Table, Vec3, Vec3s, Vec4s, f32, i32, ivec3, template, vec3, vec4
from .blender_noise import PERMUTATION

FORCE, WIND, VORTEX, TURBULENCE, DRAG, HARMONIC = 1, 2, 4, 8, 16, 32
"Kinds, as bits of what a kernel is made for."
KINDS = {
    "force": FORCE,
    "wind": WIND,
    "vortex": VORTEX,
    "turbulence": TURBULENCE,
    "drag": DRAG,
    "harmonic": HARMONIC,
}
POINT, LINE, PLANE = 0, 1, 2
SHAPES = {"point": POINT, "line": LINE, "plane": PLANE}
SPHERE, TUBE, CONE = 0, 1, 2
FALLOFFS = {"sphere": SPHERE, "tube": TUBE, "cone": CONE}
SIDES = {"both": 0, "positive": 1, "negative": -1}
ENDLESS = 1e30

# Columns of a field's row.
KIND, SHAPE, FALLOFF, SIDE, CENTER, AXIS, STRENGTH, FLOW = 0, 1, 2, 3, 4, 7, 10, 11
POWER, RADIAL, SIZE, DAMPING, UNIT, GLOBAL = 12, 15, 18, 19, 20, 21
COLUMNS = 22
"POWER and RADIAL are followed by the least and the largest distance."


@dataclass(frozen=True)
class Field:
    """One field at one moment; world, SI."""

    kind: Literal["force", "wind", "vortex", "turbulence", "drag", "harmonic"]
    position: ArrayLike
    "(3,) m."
    axis: ArrayLike
    "(3,) unit, its +Z."
    strength: float
    "m/s^2 of force, wind, turbulence; 1/s of vortex; 1/m of drag; 1/s^2 of harmonic."
    flow: float = 0.0
    "1/s."
    shape: Literal["point", "line", "plane"] = "point"
    falloff: Literal["sphere", "tube", "cone"] = "sphere"
    side: Literal["both", "positive", "negative"] = "both"
    "Of the axis, on which it acts."
    power: float = 0.0
    nearest: float = 0.0
    "m; up to here there is no falloff."
    farthest: float = ENDLESS
    "m; beyond there is no force."
    radial_power: float = 0.0
    radial_nearest: float = 0.0
    "m from the axis (tube), degrees off it (cone)."
    radial_farthest: float = ENDLESS
    size: float = 0.0
    "m: of the noise (0 takes one unit), or the rest length."
    damping: float = 0.0
    "1/s of drag; a share of critical damping of harmonic."
    unit: float = 1.0
    "m: the length that the formulas take for one."
    is_global: bool = False
    "Whether turbulence stays where it is while the field moves."

    @property
    def is_uniform(self) -> bool:
        """Whether it is a wind that blows everywhere alike."""
        endless = self.farthest >= ENDLESS and self.radial_farthest >= ENDLESS
        even = self.power == 0 and (self.falloff == "sphere" or self.radial_power == 0)
        return self.kind == "wind" and endless and even and self.side == "both"

    def row(self) -> NDArray[np.float32]:
        """Pack it for the kernels, (COLUMNS,)."""
        shape = "line" if (self.kind, self.shape) == ("vortex", "plane") else self.shape
        row = np.zeros(COLUMNS)
        row[KIND], row[SHAPE] = KINDS[self.kind], SHAPES[shape]
        row[FALLOFF], row[SIDE] = FALLOFFS[self.falloff], SIDES[self.side]
        row[CENTER : CENTER + 3], row[AXIS : AXIS + 3] = self.position, self.axis
        row[STRENGTH], row[FLOW] = self.strength, self.flow
        row[POWER : POWER + 3] = self.power, self.nearest, self.farthest
        row[RADIAL : RADIAL + 3] = self.radial_power, self.radial_nearest, self.radial_farthest
        row[SIZE], row[DAMPING], row[UNIT] = self.size, self.damping, self.unit
        row[GLOBAL] = self.is_global
        return row.astype(np.float32)


def field_table(
    start: Sequence[Field], end: Sequence[Field], fraction: float
) -> NDArray[np.float32]:
    """Pack fields between two moments, (fields, COLUMNS); their axes turn evenly enough."""
    pairs = zip(start, end, strict=True)
    rows = [a.row() if a is b else _between(a.row(), b.row(), fraction) for a, b in pairs]
    return np.stack(rows)


def _between(
    start: NDArray[np.float32], end: NDArray[np.float32], fraction: float
) -> NDArray[np.float32]:
    row = start + np.float32(fraction) * (end - start)
    axis = row[AXIS : AXIS + 3]
    axis /= max(float(np.linalg.norm(axis)), 1e-20)
    return row


def permutation() -> NDArray[np.int32]:
    """Return the noise's permutation twice, (512,), as the kernels read it."""
    return np.array(2 * PERMUTATION, np.int32)


def accelerations(
    fields: Sequence[Field], position: NDArray[np.float32], velocity: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what fields do at `position` (n, 3) m to `velocity` (n, 3) m/s: (n, 3) m/s^2."""
    out = np.zeros((len(position), 4), np.float32)
    kinds = field_kinds(fields)
    table = field_table(fields, fields, 0.0)
    x, v = (np.ascontiguousarray(a, np.float32) for a in (position, velocity))
    _accelerations(kinds, table, permutation(), x, v, out)
    return np.asarray(out[:, :3] - out[:, 3:] * v)


def pushed(
    fields: Sequence[tuple[Field, Field]],
    fraction: float,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    seconds: float,
) -> NDArray[np.float64]:
    """Return `velocity` (n, 3) m/s of points at `position` (n, 3) m after fields acted on them.

    Each field is given at both ends of an interval, and acts as at a `fraction` of it.
    """
    starts, ends = zip(*fields, strict=True)
    out = np.zeros((len(position), 4), np.float32)
    x, v = (np.ascontiguousarray(a, np.float32) for a in (position, velocity))
    table = field_table(starts, ends, fraction)
    _accelerations(field_kinds(starts), table, permutation(), x, v, out)
    slowed = 1 + seconds * np.maximum(out[:, 3:].astype(np.float64), 0.0)
    return np.asarray((velocity + seconds * out[:, :3]) / slowed)


def field_kinds(fields: Sequence[Field]) -> int:
    """Return the bits of all kinds that are there."""
    return sum({KINDS[field.kind] for field in fields})


@ti.kernel
def _accelerations(
    kinds: template, table: Table, perm: Ints, position: Vec3s, velocity: Vec3s, out: Vec4s
):
    for p in position:
        out[p] = all_fields(position[p], velocity[p], kinds, table, perm)


@ti.func
def all_fields(x: Vec3, v: Vec3, kinds: template, table: template, perm: template):
    """Sum up the fields at x: acceleration [m/s^2] without, and rate [1/s] of, what slows v."""
    total = vec4(0.0)
    for i in range(table.shape[0]):
        total += one_field(x, v, i, kinds, table, perm)
    return total


@ti.func
def one_field(x: Vec3, v: Vec3, i: i32, kinds: template, table: template, perm: template):
    """One field at x; see the formulas above."""
    kind, strength = int(table[i, KIND]), table[i, STRENGTH]
    n = triple(i, AXIS, table)
    d = x - triple(i, CENTER, table)
    along = d.dot(n) * n
    q = d
    if int(table[i, SHAPE]) == LINE:
        q = d - along
    elif int(table[i, SHAPE]) == PLANE:
        q = along
    f = falloff(d, q, n, i, table)
    a, rate = vec3(0.0), table[i, FLOW] * f
    if f > 0.0:
        if ti.static(kinds & FORCE > 0) and kind == FORCE:
            a = strength * f * direction(q)
        if ti.static(kinds & WIND > 0) and kind == WIND:
            a = strength * f * n
        if ti.static(kinds & VORTEX > 0) and kind == VORTEX:
            if int(table[i, SHAPE]) == POINT:
                a = strength * f * q.norm() * direction(n.cross(d))
            else:
                w = strength * f * n.cross(d)
                a = strength * f * n.cross(w) + w
                rate += 1.0
        if ti.static(kinds & TURBULENCE > 0) and kind == TURBULENCE:
            unit, size = table[i, UNIT], table[i, SIZE]
            at = d + unit * n
            if table[i, GLOBAL] > 0.0:
                at = x
            a = strength * f * turbulence(at / (size if size > 0.0 else unit), perm)
        if ti.static(kinds & DRAG > 0) and kind == DRAG:
            rate = f * (strength * v.norm() + table[i, DAMPING])
        if ti.static(kinds & HARMONIC > 0) and kind == HARMONIC:
            a = -strength * f * (q - table[i, SIZE] * direction(q))
            rate = 2.0 * table[i, DAMPING] * ti.sqrt(abs(strength))
    return vec4(a[0], a[1], a[2], rate)


@ti.func
def triple(i: i32, column: template, table: template) -> Vec3:
    return vec3(table[i, column], table[i, column + 1], table[i, column + 2])


@ti.func
def direction(v: Vec3) -> Vec3:
    """Return v as a unit vector; 0 where it has no length."""
    length = v.norm()
    return v / length if length > 1e-12 else vec3(0.0)


@ti.func
def falloff(d: Vec3, q: Vec3, n: Vec3, i: i32, table: template) -> f32:
    s = d.dot(n)
    unit = table[i, UNIT]
    kind = int(table[i, FALLOFF])
    f = 1.0
    if kind == SPHERE:
        f = lessened(q.norm(), unit, i, POWER, table)
    else:
        across = (d - s * n).norm()
        f = lessened(abs(s), unit, i, POWER, table)
        if kind == TUBE:
            f *= lessened(across, unit, i, RADIAL, table)
        else:
            angle = ti.atan2(across, s) * (180.0 / ti.math.pi)
            f *= lessened(angle, 1.0, i, RADIAL, table)
    if s * table[i, SIDE] < 0.0:
        f = 0.0
    return f


@ti.func
def lessened(distance: f32, unit: f32, i: i32, column: template, table: template) -> f32:
    """What is left at a distance, by the power, least and largest distance from `column` on."""
    result = 0.0
    if distance <= table[i, column + 2]:
        result = 1.0
        beyond = distance - table[i, column + 1]
        if beyond > 0.0 and table[i, column] > 0.0:
            result = ti.pow(1.0 + beyond / unit, -table[i, column])
    return result


@ti.func
def turbulence(at: Vec3, perm: template) -> Vec3:
    """Three octaves of noise in each component, within about -1 and 1."""
    result = vec3(0.0)
    p = at
    for d in range(3):
        scale, weight = 1.0, 4.0 / 7.0
        for _ in range(3):
            result[d] += weight * perlin(scale * p, perm)
            scale, weight = 2.0 * scale, 0.5 * weight
        p = vec3(p[1], p[2], p[0])
    return result


@ti.func
def perlin(p: Vec3, perm: template) -> f32:
    """Improved noise (Perlin 2002): gradients towards the edges of a cube, quintic blending."""
    floor = ti.floor(p)
    cell = ivec3(int(floor[0]), int(floor[1]), int(floor[2])) & 255
    f = p - floor
    blend = f**3 * (f * (f * 6.0 - 15.0) + 10.0)
    rest = 1.0 - blend
    result = 0.0
    for i in ti.static(range(2)):
        row = perm[cell[0] + i] + cell[1]
        for j in ti.static(range(2)):
            column = perm[row + j] + cell[2]
            across = (blend if i else rest)[0] * (blend if j else rest)[1]
            for k in ti.static(range(2)):
                weight = across * (blend if k else rest)[2]
                result += weight * slope(perm[column + k] & 15, f - vec3(i, j, k))
    return result


@ti.func
def slope(which: i32, d: Vec3) -> f32:
    """Product of d with one of sixteen gradients: a cube's twelve edges, four of them twice."""
    first = d[0] if which < 8 else d[1]
    second = d[2]
    if which < 4:
        second = d[1]
    elif which == 12 or which == 14:
        second = d[0]
    return (first if which & 1 == 0 else -first) + (second if which & 2 == 0 else -second)
