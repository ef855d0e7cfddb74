"""Cycles' picture of a frame and its exact passes, as arrays; settings for small fast renders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .passes_file import read_passes
from .world.palette import Floats

UNDENOISED = 8
"How many times the rays where a Blender brings no denoiser."
EMPTY = 1e9
"Cycles writes 1e10 as the depth of nothing."


@dataclass
class Passes:
    """One frame: scene-linear colour, and geometry through the pixels' middles."""

    color: Floats  # (h, w, 3)
    depth: Floats  # (h, w) m along the view axis, inf where empty
    normal: Floats  # (h, w, 3) world
    index: NDArray[np.uint8]  # (h, w), 0 where empty
    forward: Floats  # (h, w, 2) px x right, y down, to the next frame
    backward: Floats  # (h, w, 2) to the previous one


def set_up(
    scene: bpy.types.Scene,
    size: tuple[int, int],
    scratch: Path,
    *,
    samples: int,
    translucent: bool,
) -> None:
    """Set the scene to render small pictures quickly, one thread, all passes into one EXR."""
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.use_persistent_data = True  # the exact passes reuse the beauty's geometry
    scene.render.filepath = str(scratch)
    scene.render.use_motion_blur = False
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", samples, 1
    cycles.use_adaptive_sampling = False
    _set_denoising(cycles, translucent=translucent)
    cycles.use_light_tree = cycles.use_auto_tile = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 1, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces = 4, 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 3.0
    scene.view_settings.view_transform = "Standard"
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_normal = True
    layer.use_pass_object_index = layer.use_pass_vector = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    settings.exr_codec = "NONE"


def _set_denoising(cycles: Any, *, translucent: bool) -> None:
    try:
        cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:  # some systems build Blender without it
        cycles.use_denoising, cycles.samples = False, UNDENOISED * cycles.samples
        return
    cycles.use_denoising, cycles.denoising_quality = True, "FAST"
    # The first hit's colour is by chance where rays go through things, and would stay as noise.
    cycles.denoising_input_passes = "RGB" if translucent else "RGB_ALBEDO"
    cycles.denoising_prefilter = "FAST" if translucent else "NONE"


def render(scene: bpy.types.Scene, frame: int, *, exact: bool) -> Passes:
    """Render a frame; with `exact`, geometry by rays through the pixels' middles alone."""
    scene.frame_set(frame)
    color = _channels(scene)
    found = color
    if exact:
        samples, width = scene.cycles.samples, scene.cycles.filter_width
        denoised = scene.cycles.use_denoising
        scene.cycles.samples, scene.cycles.use_denoising = 1, False
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
        bounces, scene.cycles.max_bounces = scene.cycles.max_bounces, 0
        found = _channels(scene)
        scene.cycles.samples, scene.cycles.use_denoising = samples, denoised
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", width
        scene.cycles.max_bounces = bounces
    depth = found["Depth.Z"]
    vector = np.stack([found[f"Vector.{letter}"] for letter in "XYZW"], -1)
    index = found.get("IndexOB.X", found.get("Object Index.X"))
    assert index is not None, "the view layer has the object index pass"
    return Passes(
        color=np.stack([color[f"Combined.{letter}"] for letter in "RGB"], -1),
        depth=np.where(depth > EMPTY, np.inf, depth).astype(np.float32),
        normal=np.stack([found[f"Normal.{letter}"] for letter in "XYZ"], -1),
        index=np.where(depth > EMPTY, 0, np.rint(index)).astype(np.uint8),
        # Blender's: XY = previous - now, ZW = now - next, y up.
        forward=np.stack([-vector[..., 2], vector[..., 3]], -1),
        backward=np.stack([vector[..., 0], -vector[..., 1]], -1),
    )


def _channels(scene: bpy.types.Scene) -> dict[str, Floats]:
    bpy.ops.render.render(write_still=True)
    return read_passes(Path(scene.render.filepath))
