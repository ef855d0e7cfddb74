"""What is wrong with the diffusion settings: start, motion, edits, masks, numbers."""

from collections.abc import Iterator
from pathlib import Path

import bpy

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.method_check import SMALLEST

from ..jobs import machine
from ..methods.costs import walked_steps
from ..methods.edits.handles import is_whole
from ..methods.masks import ImpetusMask
from ..methods.properties import ImpetusDiffusion
from ..shot_export.camera import film
from ..shot_export.diffusion import read_schedule
from .problem import Problem

WHERE = "Diffusion"
FLOW_FILES = frozenset({".npy", ".flo"})


def diffusion_problems(scene: bpy.types.Scene) -> Iterator[Problem]:
    """Yield what is wrong with the chosen method; nothing without one."""
    diffusion = scene.impetus.diffusion
    if diffusion.method == "NONE":
        return
    yield from _model(diffusion)
    yield from _film(scene)
    yield from _start(scene, diffusion)
    yield from _motion(scene, diffusion)
    yield from _numbers(diffusion)
    for name, mask in used_masks(diffusion).items():
        yield from _mask(scene, name, mask)


def used_masks(diffusion: ImpetusDiffusion) -> dict[str, ImpetusMask]:
    """Return the masks that count, by what they are for."""
    found = {}
    match diffusion.motion:
        case "SMOKE":
            found = {"Smoke": diffusion.smoke.source, "Obstacle": diffusion.smoke.obstacle}
        case "LIQUID":
            liquid = diffusion.liquid
            found = {"Liquid": liquid.fluid, "Obstacle": liquid.obstacle}
            found |= {"Inflow": liquid.inflow} if liquid.use_inflow else {}
        case "FLOCK":
            found = {"Flock": diffusion.flock.agents}
        case "FILE":
            found = {"Active Matter": diffusion.found.active}
        case "AUTHORED":
            found = {edit.name: edit.mask for edit in diffusion.edits if edit.use}
    if diffusion.method == "MOTIONCRAFT":
        return found | {"Novelty": diffusion.motioncraft.novelty.mask}
    return found | {"Editable Area": diffusion.motion_guidance.editable}


def _model(diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    if machine.lacks_diffusion():
        yield Problem(
            WHERE, "The backend has what renders, not yet what diffuses", "SET_UP_DIFFUSION"
        )
    known = bpy.data.window_managers[0].impetus.models.split("\n")
    if not diffusion.model.strip():
        yield Problem(WHERE, "No model is chosen", "BUILT_IN_MODEL")
    elif known != [""] and diffusion.model.strip() not in known:
        yield Problem(
            WHERE, f"The backend has no model named {diffusion.model.strip()}", "BUILT_IN_MODEL"
        )


def _film(scene: bpy.types.Scene) -> Iterator[Problem]:
    size = film(scene.render)
    if min(size.width, size.height) < SMALLEST:
        text = (
            f"The film is {size.width} x {size.height} pixels; the least is {SMALLEST} x {SMALLEST}"
        )
        yield Problem(WHERE, text)


def _start(scene: bpy.types.Scene, diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    frame = diffusion.source_frame(scene)
    if not scene.frame_start <= frame <= scene.frame_end:
        yield Problem(WHERE, f"Its source frame {frame} is not in the shot", "FIRST_SOURCE")
    brought = diffusion.method == "MOTION_GUIDANCE" and diffusion.motion in {"FILE", "VIDEO"}
    if brought and frame != scene.frame_start:
        text = f"Motion that is brought begins at the first frame, not at {frame}"
        yield Problem(WHERE, text, "FIRST_SOURCE")
    if diffusion.start == "PICTURE":
        if diffusion.picture is None:
            yield Problem(WHERE, "No picture is chosen to start from")
        elif 0 in diffusion.picture.size[:]:
            yield Problem(WHERE, f"{diffusion.picture.name} cannot be read; reload it")
    if diffusion.start == "GENERATED" and not diffusion.prompt.strip():
        yield Problem(WHERE, "The prompt is empty, so there is nothing to generate")


def _motion(scene: bpy.types.Scene, diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    match diffusion.motion:
        case "SHOT" if not _anything_moves(scene):
            yield Problem(WHERE, "Nothing in the shot moves", "", True)
        case "SHOT" if diffusion.start != "RENDER":
            yield Problem(
                WHERE, "The motion is the shot's, but the start is not its render", "", True
            )
        case "SPHERE" if not any(diffusion.slide.axis):
            yield Problem(WHERE, "The axis of the turning ball has no length")
        case "FILE":
            yield from _flow_file(diffusion.found.path)
        case "VIDEO":
            yield from _video(scene, diffusion)
        case "AUTHORED":
            yield from _edits(scene, diffusion)


def _flow_file(path: str) -> Iterator[Problem]:
    found = Path(bpy.path.abspath(path)) if path else None
    if found is None:
        yield Problem(WHERE, "No motion file is chosen")
    elif found.suffix.lower() not in FLOW_FILES:
        yield Problem(WHERE, f"Motion comes as .npy or .flo; {found.name} is neither")
    elif not found.is_file():
        yield Problem(WHERE, f"The motion file {found.name} is not there")


def _video(scene: bpy.types.Scene, diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    video, start = diffusion.found.video, diffusion.found.video_start
    needed = start + scene.frame_end - scene.frame_start
    if video is None:
        yield Problem(WHERE, "No video is chosen")
    elif video.source == "MOVIE" and video.frame_duration < needed:
        yield Problem(
            WHERE, f"The video ends at its frame {video.frame_duration}; the shot needs {needed}"
        )


def _edits(scene: bpy.types.Scene, diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    used = [(index, edit) for index, edit in enumerate(diffusion.edits) if edit.use]
    if not used:
        yield Problem(WHERE, "There is no edit yet", "ADD_EDIT")
    for _, edit in used:
        if not is_whole(edit, scene):
            yield Problem(edit.name, "Handles of this edit are gone", "RESET_HANDLES")


def _numbers(diffusion: ImpetusDiffusion) -> Iterator[Problem]:
    if diffusion.method == "MOTIONCRAFT":
        craft = diffusion.motioncraft
        if walked_steps(craft) < 1:
            yield Problem(WHERE, "So little noise leaves no step; raise Steps or Noise")
        if craft.novelty.floor > craft.novelty.ceiling:
            yield Problem(WHERE, "What is not new is freer than what is")
        return
    guided = diffusion.motion_guidance
    try:
        if not any(read_schedule(guided.schedule)):
            yield Problem(WHERE, "The schedule is all zeros, so nothing is pushed")
    except ShotError:
        yield Problem(WHERE, "The schedule is not numbers from 0 up, such as 1 1 0.5")
    if not guided.terms.flow_weight:
        text = "Motion counts for nothing, so nothing will move"
        yield Problem(WHERE, text, "", guided.terms.color_weight > 0)
    if guided.use_hard_warp and round(guided.steps * guided.hard_warp_start) < 1:
        yield Problem(WHERE, "So little noise leaves no step; raise Steps or Hard Start")


def _mask(scene: bpy.types.Scene, name: str, mask: ImpetusMask) -> Iterator[Problem]:
    if mask.source == "AUTO":
        return
    if mask.chosen is None:
        yield Problem(WHERE, f"{name}: no {mask.source.lower()} is chosen for its mask")
    elif mask.source == "IMAGE" and 0 in mask.image.size[:]:
        yield Problem(WHERE, f"{name}: {mask.image.name} cannot be read; reload it")
    elif mask.source != "IMAGE" and not mask.objects:
        yield Problem(WHERE, f"{name}: {mask.chosen.name} has nothing with an outline")
    frame = scene.impetus.diffusion.source_frame(scene)
    for ob in mask.objects:
        if ob.impetus.role == "DYNAMIC" and frame > scene.impetus.simulation_start:
            text = f"Its outline for {name} is taken before it is simulated"
            yield Problem(ob.name, text, "", True)


def _anything_moves(scene: bpy.types.Scene) -> bool:
    return any(
        ob.impetus.role == "DYNAMIC" or ob.animation_data is not None or ob.constraints or ob.parent
        for ob in scene.objects
    )
