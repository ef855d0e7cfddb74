"""Types of kernel arguments; to the type checker, which cannot read Taichi's, they are Any."""

from typing import TYPE_CHECKING, Any, TypeAlias

import taichi as ti

vec3 = ti.math.vec3
vec4 = ti.math.vec4
vec6 = ti.types.vector(6, ti.f32)
mat3 = ti.math.mat3
mat4 = ti.math.mat4
vec8 = ti.types.vector(8, ti.f32)
ivec3 = ti.math.ivec3
dvec3 = ti.types.vector(3, ti.f64)
dvec4 = ti.types.vector(4, ti.f64)
dmat3 = ti.types.matrix(3, 3, ti.f64)

if TYPE_CHECKING:
    f32: TypeAlias = Any
    i32: TypeAlias = Any
    template: TypeAlias = Any
    Vec3: TypeAlias = Any
    Vec4: TypeAlias = Any
    Vec6: TypeAlias = Any
    Mat3: TypeAlias = Any
    Mat4: TypeAlias = Any
    Cell: TypeAlias = Any
    Floats: TypeAlias = Any
    Ints: TypeAlias = Any
    Vec3s: TypeAlias = Any
    Vec4s: TypeAlias = Any
    Vec6s: TypeAlias = Any
    Vec8s: TypeAlias = Any
    Mat3s: TypeAlias = Any
    Mat4s: TypeAlias = Any
    Cells: TypeAlias = Any
    Spans: TypeAlias = Any
    Table: TypeAlias = Any
    Volume: TypeAlias = Any
    IntVolume: TypeAlias = Any
    Vec3Volume: TypeAlias = Any
    f64: TypeAlias = Any
    Reals: TypeAlias = Any
    Reals2: TypeAlias = Any
    Reals3: TypeAlias = Any
else:
    f32, f64, i32, template = ti.f32, ti.f64, ti.i32, ti.template()
    Vec3, Vec4, Vec6, Mat3, Mat4, Cell = vec3, vec4, vec6, mat3, mat4, ivec3
    Floats = ti.types.ndarray(dtype=ti.f32, ndim=1)
    Ints = ti.types.ndarray(dtype=ti.i32, ndim=1)
    Vec3s = ti.types.ndarray(dtype=vec3, ndim=1)
    Vec4s = ti.types.ndarray(dtype=vec4, ndim=1)
    Vec6s = ti.types.ndarray(dtype=vec6, ndim=1)
    Vec8s = ti.types.ndarray(dtype=vec8, ndim=1)
    Mat3s = ti.types.ndarray(dtype=mat3, ndim=1)
    Mat4s = ti.types.ndarray(dtype=mat4, ndim=1)
    Cells = ti.types.ndarray(dtype=ivec3, ndim=1)
    Spans = ti.types.ndarray(dtype=ti.i32, ndim=2)
    Table = ti.types.ndarray(dtype=ti.f32, ndim=2)
    Volume = ti.types.ndarray(dtype=ti.f32, ndim=3)
    IntVolume = ti.types.ndarray(dtype=ti.i32, ndim=3)
    Vec3Volume = ti.types.ndarray(dtype=vec3, ndim=3)
    Reals = ti.types.ndarray(dtype=ti.f64, ndim=1)
    Reals2 = ti.types.ndarray(dtype=ti.f64, ndim=2)
    Reals3 = ti.types.ndarray(dtype=ti.f64, ndim=3)
