"""Whether a shot's method can be run: what it starts from, what moves it, steps and masks.

Called by check_shot, on both sides; whether the model is there, the backend alone can say.
"""

import math
from itertools import pairwise

import numpy as np

from .arrays import Array, ArrayRef, ArraySet, require_finite
from .edits import AuthoredMotion, Homography, StretchRows
from .errors import ShotError
from .image_motions import (
    FileMotion,
    FlockMotion,
    LiquidMotion,
    ShotMotion,
    SmokeMotion,
    SphereMotion,
    VideoMotion,
)
from .methods import MotionCraft, MotionGuidance, NoMethod, PictureStart, RenderStart
from .shot import Shot

SMALLEST = 64
"Pixels of a film's side below which latents have too few cells for any network to see things."
ASPECT = 0.02
"Part by which the shape of a picture that is scaled to the film may differ from it."
TRAINING_STEPS = 1000


def check_method(shot: Shot, arrays: ArraySet) -> None:
    """Raise ShotError on the first thing in the shot's method that cannot be."""
    method = shot.method
    if isinstance(method, NoMethod):
        return
    if min(shot.film.width, shot.film.height) < SMALLEST:
        raise ShotError(
            "Method",
            f"expected a film of at least {SMALLEST} x {SMALLEST} pixels to diffuse, got "
            f"{shot.film.width} x {shot.film.height}.",
            "Raise the resolution, or choose no method.",
        )
    _check_start(shot, method, arrays)
    _check_motion(shot, method, arrays)
    if isinstance(method, MotionCraft):
        _check_craft(shot, method, arrays)
    else:
        _check_guidance(shot, method, arrays)


def _check_start(shot: Shot, method: MotionCraft | MotionGuidance, arrays: ArraySet) -> None:
    frames, start = shot.frames, method.start
    if isinstance(start, PictureStart):
        _picture("Method, start picture", arrays.of(start.image), (3, 4))
    if isinstance(start, RenderStart) and start.frame is not None:
        if start.frame not in frames.numbers:
            raise ShotError(
                "Method, start frame",
                f"expected a frame of {frames.first} to {frames.last}, got {start.frame}.",
                "Choose a frame of the shot.",
            )
        followed = isinstance(method.motion, FileMotion | VideoMotion)
        if isinstance(method, MotionGuidance) and followed and start.frame != frames.first:
            raise ShotError(
                "Method, start frame",
                f"expected the shot's first frame, {frames.first}, where a file's or video's "
                f"motion begins, got {start.frame}.",
                "Start from the first frame.",
            )


def _check_motion(shot: Shot, method: MotionCraft | MotionGuidance, arrays: ArraySet) -> None:
    match method.motion:
        case FileMotion() as motion:
            _check_file(shot, motion, arrays)
        case VideoMotion(frames=ref):
            pictures, count = arrays.of(ref), len(shot.frames.numbers)
            where = "Method, video"
            if pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[-1] != 3:
                raise ShotError(where, f"expected u1 (frames, H, W, 3), got {_kind(pictures)}.")
            _count(where, len(pictures), count, "pictures")
            _shape(where, shot, pictures.shape[1:3])
        case SphereMotion(axis=axis):
            if not math.hypot(*axis) > 0:
                raise ShotError(
                    "Method, sphere", "expected an axis with a direction, got zeros.",
                    "Give the axis a length, such as 0, 1, 0.",
                )  # fmt: skip
        case SmokeMotion(source=source, obstacle=obstacle):
            _mask(shot, "Method, smoke's source", source, arrays)
            _mask(shot, "Method, smoke's obstacle", obstacle, arrays, full=True)
        case LiquidMotion(fluid=fluid, obstacle=obstacle, inflow=inflow):
            _mask(shot, "Method, liquid", fluid, arrays)
            _mask(shot, "Method, liquid's obstacle", obstacle, arrays, full=True)
            _mask(shot, "Method, liquid's inflow", inflow, arrays)
        case FlockMotion(agents=agents) if agents is not None:
            where = "Method, flock"
            _mask(shot, where, agents, arrays, dtype="i4")
            if arrays.of(agents).min() < 0:
                raise ShotError(where, f"expected numbers from 0, got {arrays.of(agents).min()}.")
        case AuthoredMotion() as motion:
            _check_authored(shot, motion, arrays)


def _check_file(shot: Shot, motion: FileMotion, arrays: ArraySet) -> None:
    flow, where = arrays.of(motion.flow), "Method, motion file"
    if flow.ndim != 4 or flow.dtype != np.float32 or flow.shape[-1] != 2:
        raise ShotError(
            where,
            f"expected f4 (steps, H, W, 2), got {_kind(flow)}.",
            "Store x right and y down, in pixels, as the last axis.",
        )
    _count(where, len(flow), len(shot.frames.numbers) - 1, "fields, one from frame to frame")
    _shape(where, shot, flow.shape[1:3])
    require_finite(where, flow, "Write 0 where nothing is known, and mark it as active.")
    if motion.active is not None:
        active = arrays.of(motion.active)
        if active.dtype != np.uint8 or active.ndim != 3 or active.shape[1:] != flow.shape[1:3]:
            raise ShotError(
                f"{where}, active matter",
                f"expected u1 (1 or steps, {flow.shape[1]}, {flow.shape[2]}), got {_kind(active)}.",
            )
        if len(active) not in (1, len(flow)):
            raise ShotError(
                f"{where}, active matter",
                f"expected 1 or {len(flow)} masks, got {len(active)}.",
            )


def _check_authored(shot: Shot, motion: AuthoredMotion, arrays: ArraySet) -> None:
    for number, edit in enumerate(motion.edits, 1):
        where = f"Method, edit {number}"
        _mask(shot, where, edit.mask, arrays)
        if isinstance(edit, Homography) and len(edit.corners) != 4:
            raise ShotError(where, f"expected 4 corners, got {len(edit.corners)}.")
        if isinstance(edit, StretchRows):
            heights = [height for height, _ in edit.factors]
            if len(heights) < 2 or any(b <= a for a, b in pairwise(heights)):
                raise ShotError(
                    where,
                    f"expected two or more heights that rise, got {heights}.",
                    "Order the points from top to bottom.",
                )
    if motion.amount is not None:
        amount, count = arrays.of(motion.amount), shot.frames.tracked_count
        if amount.ndim != 1 or len(amount) not in (1, count):
            raise ShotError(
                "Method, amount of the edit",
                f"expected one number for 1 or {count} frames, got {amount.shape}.",
            )
        require_finite("Method, amount of the edit", amount, "Enter a number there.")


def _check_craft(shot: Shot, method: MotionCraft, arrays: ArraySet) -> None:
    _steps(method.steps, method.tau, "tau")
    novelty = method.novelty
    if novelty.floor > novelty.ceiling:
        raise ShotError(
            "Method, novelty",
            f"expected a floor up to the ceiling, got {novelty.floor:g} and {novelty.ceiling:g}.",
            "Lower the floor.",
        )
    _mask(shot, "Method, novelty mask", novelty.mask, arrays)
    if method.follow > 0:
        _check_followed(method)


def _check_followed(method: MotionCraft) -> None:
    where = "Method, follow render"
    if not (isinstance(method.start, RenderStart) and isinstance(method.motion, ShotMotion)):
        raise ShotError(
            where,
            "expected frames that start from a render and move as the shot does.",
            "Choose the render as start and this shot's motion, or follow by 0.",
        )
    if not method.reinvert:
        raise ShotError(
            where,
            "expected frames that are inverted again, got noise that is moved on.",
            "Invert again, or follow by 0.",
        )


def _check_guidance(shot: Shot, method: MotionGuidance, arrays: ArraySet) -> None:
    if method.hard_warp_start is not None:
        _steps(method.steps, TRAINING_STEPS * method.hard_warp_start, "its start")
    if not any(factor > 0 for factor in method.schedule):
        raise ShotError(
            "Method, schedule",
            f"expected a factor above zero, got {list(method.schedule)}.",
            "Use 1 for an even schedule.",
        )
    if not method.terms.flow_weight + method.terms.color_weight > 0:
        raise ShotError(
            "Method, guidance",
            "expected a weight above zero for flow or colour, got none.",
            "Raise one of both.",
        )
    if method.editable is not None:
        where = "Method, editable area"
        _mask(shot, where, method.editable, arrays, empty="expected some pixels that may change, "
              "got a mask that freezes them all.")  # fmt: skip


def _steps(steps: int, until: float, what: str) -> None:
    if round(until * steps / TRAINING_STEPS) < 1:
        raise ShotError(
            "Method, steps",
            f"expected at least one step up to {what}, got {steps} steps and {what} {until:g} of "
            f"{TRAINING_STEPS}.",
            f"Take {math.ceil(TRAINING_STEPS / until)} steps or more, or raise {what}.",
        )


def _mask(
    shot: Shot,
    where: str,
    ref: ArrayRef | None,
    arrays: ArraySet,
    *,
    dtype: str = "u1",
    full: bool = False,
    empty: str = "expected some marked pixels, got an empty mask.",
) -> None:
    """Check a mask of the film's size; `full` is for one that must leave something free."""
    if ref is None:
        return
    mask, size = arrays.of(ref), (shot.film.height, shot.film.width)
    if mask.shape != size or mask.dtype != np.dtype(dtype):
        raise ShotError(
            where,
            f"expected {dtype} {size} as the film, got {_kind(mask)}.",
            "Give the mask in the film's size.",
        )
    if not mask.any():
        raise ShotError(where, empty, "Mark some, or leave the mask away.")
    if full and mask.all():
        raise ShotError(
            where, "expected some free pixels, got a mask over all of them.", "Free some."
        )


def _picture(where: str, image: Array, channels: tuple[int, ...]) -> None:
    fits = image.ndim == 3 and image.shape[-1] in channels and 0 not in image.shape
    if not fits or image.dtype != np.uint8:
        wanted = " or ".join(map(str, channels))
        raise ShotError(
            where, f"expected u1 (H, W, {wanted}), got {_kind(image)}.",
            "Use a picture of 8 bits, sRGB.",
        )  # fmt: skip


def _count(where: str, found: int, wanted: int, what: str) -> None:
    if found < wanted:
        raise ShotError(
            where, f"expected {wanted} {what}, got {found}.",
            "Shorten the frame range, or bring a longer one.",
        )  # fmt: skip


def _shape(where: str, shot: Shot, size: tuple[int, ...]) -> None:
    """What is scaled to the film must have its shape."""
    height, width = size
    film = shot.film
    wanted = film.width / film.height
    if 0 in size or abs(width / height / wanted - 1) > ASPECT:
        raise ShotError(
            where,
            f"expected pictures as wide for their height as the film, {film.width} x "
            f"{film.height}, got {width} x {height}.",
            "Crop it to the film's shape.",
        )


def _kind(array: Array) -> str:
    return f"{array.dtype.str[1:]} {array.shape}"
