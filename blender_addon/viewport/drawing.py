"""Draws pictures and points into the 3D views, among Blender's objects."""

import time
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.views import Bodies

from . import session, shaders
from .lens import Floats, Lens, clip_from_local, lens_of
from .panes import Pane, Picture, Stand
from .points import Cloud, matrix_of
from .session import viewing

CLOSER = 0.002
"""Splats are drawn nearer by this share of their distance (orthographic: of the view's width): at
rest they lie on the very mesh that they were made from, and would vanish into it."""
FITTED_CLOSER = 0.01
"The same where some are fitted: those lie up to their own size inside of the mesh."
POINT_SIZE = 3.0
OVERLAP = 1.4
"Of the points of a picture, so that no gap opens between them as the view turns."
GRIDS = 4

_handles: list[object] = []
_loaded: dict[int, "_Loaded"] = {}
_grids: dict[tuple[int, int], gpu.types.GPUBatch] = {}
_clouds: dict[int, tuple[object, gpu.types.GPUBatch]] = {}


@dataclass
class _Loaded:
    """A pane's picture as textures."""

    picture: Picture
    colors: gpu.types.GPUTexture
    depths: gpu.types.GPUTexture


@dataclass(frozen=True)
class _Now:
    """The view that is being drawn."""

    view: Floats
    projection: Floats
    metres: float
    lens: Lens
    closer: float = CLOSER


def draw() -> None:
    """Draw what there is, and note where the view looks from; called by Blender for each view."""
    context = bpy.context
    overlay = getattr(context.space_data, "overlay", None)
    if viewing.watcher is None:
        forget()
        return
    if overlay is None or not overlay.show_overlays or context.region_data is None:
        return
    scene, region = context.scene, context.region
    view, projection = (
        np.array(matrix, np.float64)
        for matrix in (context.region_data.view_matrix, context.region_data.window_matrix)
    )
    metres = scene.unit_settings.scale_length
    lens = lens_of(view, projection, (region.width, region.height), metres)
    pane = viewing.panes.of(region.as_pointer())
    source, bodies = session.source_of(scene), _bodies(context)
    if source is not None:
        pane.see(Stand(source, scene.frame_current, bodies, lens), time.monotonic())
        session.note_progress(scene, pane)
    if session.has_errand(source, pane):
        session.wake()
    objects = context.view_layer.objects
    fitted = any(ob.impetus.fit.key and ob.impetus.splat_source == "FITTED" for ob in objects)
    _draw(pane, _Now(view, projection, metres, lens, FITTED_CLOSER if fitted else CLOSER))


def _bodies(context: bpy.types.Context) -> Bodies:
    chosen = context.window_manager.impetus.viewport.bodies
    return "all" if chosen == "ALL" else "splats_only"


def _draw(pane: Pane, now: _Now) -> None:
    before = (gpu.state.depth_test_get(), gpu.state.depth_mask_get(), gpu.state.blend_get())
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    gpu.state.blend_set("ALPHA_PREMULT")
    gpu.state.program_point_size_set(True)
    try:
        stand, picture = pane.stand, pane.picture
        if picture is not None and stand is not None and _suits(picture, stand, pane):
            _draw_picture(pane, picture, now)
        elif stand is not None and (cloud := viewing.clouds.get(stand.subject)) is not None:
            clip = now.projection @ now.view @ np.diag([*[1 / now.metres] * 3, 1.0])
            _draw_cloud(pane.number, cloud, clip)
        else:
            _draw_meshes(now)
    finally:
        gpu.state.program_point_size_set(False)
        gpu.state.depth_test_set(before[0])
        gpu.state.depth_mask_set(before[1])
        gpu.state.blend_set(before[2])


def _draw_meshes(now: _Now) -> None:
    for number, cloud in enumerate(viewing.meshes or ()):
        if (world := matrix_of(cloud)) is not None:
            clip = now.projection @ now.view @ world
            _draw_cloud(-1 - number, cloud.points, clip)


def _suits(picture: Picture, stand: Stand, pane: Pane) -> bool:
    """Whether a picture may stand for what is looked at until a better one comes."""
    of_same = picture.stand.source == stand.source and picture.stand.bodies == stand.bodies
    return of_same and (pane.absent != stand.subject or picture.stand.frame == stand.frame)


def _draw_picture(pane: Pane, picture: Picture, now: _Now) -> None:
    if not picture.depth.size:
        return
    loaded = _loaded.get(pane.number)
    if loaded is None or loaded.picture is not picture:
        loaded = _Loaded(
            picture,
            shaders.texture(picture.color, "RGBA16F"),
            shaders.texture(picture.depth[..., None], "R32F"),
        )
        _loaded[pane.number] = loaded
    height, width = picture.depth.shape
    exact = picture.stand.lens.key == now.lens.key and shaders.writes_depth()
    shader = shaders.picture_shader() if exact else shaders.points_shader()
    clip = clip_from_local(picture.lens, now.view, now.projection, now.metres)
    shader.bind()
    shader.uniform_float("clip", clip.T.ravel().tolist())
    shader.uniform_float("frame", (picture.left, picture.top, width, height))
    shader.uniform_float("lens", picture.lens.intrinsics.tolist())
    shader.uniform_float("closer", _closer(picture.lens, now.closer))
    shader.uniform_bool("parallel", [picture.lens.orthographic])
    shader.uniform_sampler("colors", loaded.colors)
    shader.uniform_sampler("depths", loaded.depths)
    if exact:
        shader.uniform_float("whole", (picture.lens.width, picture.lens.height))
        shaders.corners().draw(shader)
    else:
        size = OVERLAP * now.lens.width / picture.lens.width
        shader.uniform_float("size", max(1.0, size))
        _grid(width, height).draw(shader)


def _closer(lens: Lens, share: float) -> tuple[float, float]:
    if lens.orthographic:
        return 1.0, share * lens.width / float(lens.intrinsics[0])
    return 1.0 - share, 0.0


def _grid(width: int, height: int) -> gpu.types.GPUBatch:
    if (width, height) not in _grids:
        while len(_grids) >= GRIDS:
            _grids.pop(next(iter(_grids)))
        _grids[width, height] = shaders.grid(width, height)
    return _grids[width, height]


def _draw_cloud(key: int, cloud: Cloud, clip: NDArray[np.float64]) -> None:
    place, color = cloud
    if key not in _clouds or _clouds[key][0] is not place:
        _clouds[key] = (place, shaders.cloud(place, color))
    shader = shaders.cloud_shader()
    shader.bind()
    shader.uniform_float("clip", clip.T.ravel().tolist())
    shader.uniform_float("size", POINT_SIZE * bpy.context.preferences.system.ui_scale)
    _clouds[key][1].draw(shader)


def forget() -> None:
    """Let go of textures and points."""
    for kept in (_loaded, _grids, _clouds):
        kept.clear()


def register() -> None:
    if not bpy.app.background:  # there is nothing to draw on
        space = bpy.types.SpaceView3D
        _handles.append(space.draw_handler_add(draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    session.stop()
    forget()
    shaders.forget()
