"""The two ways in which a picture with depth is drawn, and points; Blender's gpu module.

From where it was made, a picture is drawn pixel by pixel, each with the depth of its splats. From
elsewhere, each of its pixels is a point in space, moved to where the view of now sees it, so that
splats stay in their place while the next picture is made. Colours are linear and premultiplied.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import bpy
import gpu
import numpy as np
from numpy.typing import NDArray

# `frame`: left, top, width, height of the part of the picture that is there, in its pixels;
# `lens`: its fx, fy, cx, cy; `clip`: from its own space [m] to clip space of the view of now;
# `closer`: factor and metres by which splats are drawn nearer than they are.
_COMMON = """
vec4 place(vec2 pixel, float z)
{
  vec2 aside = (pixel - lens.zw) / lens.xy;
  return clip * vec4(aside * (parallel ? 1.0 : z), z, 1.0);
}
float depth_at(ivec2 texel)
{
  ivec2 last = ivec2(frame.zw) - 1;
  return texelFetch(depths, clamp(texel, ivec2(0), last), 0).r;
}
float nearer(float z) { return z * closer.x - closer.y; }
bool is_there(float z) { return z < 1e30; }
"""

_PICTURE_VERTEX = """
void main()
{
  spot = frame.xy + pos * frame.zw;
  vec2 at = spot / whole;
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}
"""
# At the rim of splats the nearest pixel may be empty where the blended colour is not: the nearest
# neighbour that is there lends its depth.
_PICTURE_FRAGMENT = """
void main()
{
  vec2 texel = spot - frame.xy;
  vec4 color = texture(colors, texel / frame.zw);
  float z = depth_at(ivec2(texel));
  if (!is_there(z)) {
    for (int i = 0; i < 4; i++) {
      ivec2 step = ivec2(i < 2 ? 2 * i - 1 : 0, i < 2 ? 0 : 2 * i - 5);
      z = min(z, depth_at(ivec2(texel) + step));
    }
  }
  if (color.a < 0.004 || !is_there(z)) {
    discard;
  }
  vec4 at = place(spot, nearer(z));
  gl_FragDepth = clamp(at.z / at.w * 0.5 + 0.5, 0.0, 1.0);
  result = color;
}
"""
_POINTS_VERTEX = """
void main()
{
  float z = depth_at(ivec2(pos));
  shade = texelFetch(colors, ivec2(pos), 0);
  gl_Position = is_there(z) ? place(frame.xy + pos + 0.5, nearer(z)) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
}
"""
_POINTS_FRAGMENT = """
void main()
{
  if (shade.a < 0.5) {
    discard;
  }
  result = shade / shade.a;
}
"""
_CLOUD_VERTEX = """
void main()
{
  shade = vec4(color, 1.0);
  gl_Position = clip * vec4(pos, 1.0);
  gl_PointSize = size;
}
"""
_CLOUD_FRAGMENT = """
void main() { result = shade; }
"""


def writes_depth() -> bool:
    """Return whether a fragment may set its depth: before Blender 5.0 OpenGL alone lets it."""
    has_word = hasattr(gpu.types.GPUShaderCreateInfo, "depth_write")
    return has_word or gpu.platform.backend_type_get() == "OPENGL"


@cache
def picture_shader() -> gpu.types.GPUShader:
    """Return what draws a picture from where it was made."""
    info = _picture_info()
    between = gpu.types.GPUStageInterfaceInfo("impetus_picture")
    between.smooth("VEC2", "spot")
    info.vertex_out(between)
    info.push_constant("VEC2", "whole")
    if hasattr(info, "depth_write"):
        info.depth_write("ANY")
    info.vertex_source(_COMMON + _PICTURE_VERTEX)
    info.fragment_source(_COMMON + _PICTURE_FRAGMENT)
    return gpu.shader.create_from_info(info)


@cache
def points_shader() -> gpu.types.GPUShader:
    """Return what draws a picture's pixels as points in space."""
    info = _picture_info()
    between = gpu.types.GPUStageInterfaceInfo("impetus_points")
    between.flat("VEC4", "shade")
    info.vertex_out(between)
    info.push_constant("FLOAT", "size")
    info.vertex_source(_COMMON + _POINTS_VERTEX)
    info.fragment_source(_POINTS_FRAGMENT)
    return gpu.shader.create_from_info(info)


@cache
def cloud_shader() -> gpu.types.GPUShader:
    """Return what draws points with colours of their own."""
    info = gpu.types.GPUShaderCreateInfo()
    between = gpu.types.GPUStageInterfaceInfo("impetus_cloud")
    between.flat("VEC4", "shade")
    info.push_constant("MAT4", "clip")
    info.push_constant("FLOAT", "size")
    info.vertex_in(0, "VEC3", "pos")
    info.vertex_in(1, "VEC3", "color")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "result")
    info.vertex_source(_CLOUD_VERTEX)
    info.fragment_source(_CLOUD_FRAGMENT)
    return gpu.shader.create_from_info(info)


def flat_shader() -> gpu.types.GPUShader:
    """Return Blender's own shader of points in a space that gpu.matrix tells, by screen colours.

    Before Blender 4.5 that of any coloured vertices.
    """
    try:
        return gpu.shader.from_builtin("POINT_FLAT_COLOR")
    except (ValueError, SystemError):
        return gpu.shader.from_builtin("FLAT_COLOR")


@contextmanager
def among_objects(size: float) -> Iterator[None]:
    """Have points of `size`, pixels of the interface, hide and be hidden; then all is as before."""
    before = (gpu.state.depth_test_get(), gpu.state.depth_mask_get())
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    gpu.state.point_size_set(size * bpy.context.preferences.system.ui_scale)
    try:
        yield
    finally:
        gpu.state.depth_test_set(before[0])
        gpu.state.depth_mask_set(before[1])


def _picture_info() -> gpu.types.GPUShaderCreateInfo:
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "clip")
    info.push_constant("VEC4", "frame")
    info.push_constant("VEC4", "lens")
    info.push_constant("VEC2", "closer")
    info.push_constant("BOOL", "parallel")
    info.sampler(0, "FLOAT_2D", "colors")
    info.sampler(1, "FLOAT_2D", "depths")
    info.vertex_in(0, "VEC2", "pos")
    info.fragment_out(0, "VEC4", "result")
    return info


@cache
def corners() -> gpu.types.GPUBatch:
    """Return two triangles over the unit square."""
    return _batch("TRI_STRIP", {"pos": np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)})


def grid(width: int, height: int) -> gpu.types.GPUBatch:
    """Return a point for each of a picture's pixels."""
    rows, columns = np.mgrid[0:height, 0:width]
    return _batch("POINTS", {"pos": np.stack([columns, rows], -1).reshape(-1, 2)})


def cloud(place: NDArray[np.float32], color: NDArray[np.float32]) -> gpu.types.GPUBatch:
    """Return points (n, 3) of colours (n, 3) or (n, 4), as their shader takes them."""
    return _batch("POINTS", {"pos": place, "color": color})


def texture(values: NDArray[np.float32], kind: str) -> gpu.types.GPUTexture:
    """Return a texture (h, w) or (h, w, channels), its first row at v = 0."""
    height, width = values.shape[:2]
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    buffer = gpu.types.Buffer("FLOAT", len(flat), flat)
    return gpu.types.GPUTexture((width, height), format=kind, data=buffer)


def _batch(kind: str, attributes: dict[str, NDArray[np.float32]]) -> gpu.types.GPUBatch:
    form = gpu.types.GPUVertFormat()
    for name, values in attributes.items():
        form.attr_add(id=name, comp_type="F32", len=values.shape[1], fetch_mode="FLOAT")
    count = len(next(iter(attributes.values())))
    vertices = gpu.types.GPUVertBuf(form, count)
    for name, values in attributes.items():
        vertices.attr_fill(name, np.ascontiguousarray(values, np.float32))
    return gpu.types.GPUBatch(type=kind, buf=vertices)


def forget() -> None:
    """Let go of all that was made for the gpu; it belongs to a window that may be gone."""
    kept: tuple[Callable[..., object], ...] = (
        picture_shader, points_shader, cloud_shader, corners,
    )  # fmt: skip
    for each in kept:
        each.cache_clear()  # type: ignore[attr-defined]
