"""The picture that a method starts from: a render, one of the artist's, or a generated one."""

from typing import TYPE_CHECKING

from ...contract.arrays import Array
from ...contract.methods import GeneratedStart, MotionCraft, MotionGuidance, PictureStart
from ..cache import FrameCache, stage_key
from .border import fit_picture, to_picture
from .given import MethodInput
from .opening import Opened

if TYPE_CHECKING:
    pass


def start_frame(given: MethodInput, method: MotionCraft | MotionGuidance) -> int:
    """Return the frame whose place in the motion the start picture has."""
    chosen = getattr(method.start, "frame", None)
    return given.shot.frames.first if chosen is None else int(chosen)


def start_picture(
    given: MethodInput, method: MotionCraft | MotionGuidance, opened: Opened
) -> Array:
    """Return the start picture u1 (h, w, 3), sRGB, of the film's size."""
    match method.start:
        case PictureStart(image=ref):
            return fit_picture(given.arrays.of(ref), given.shot.film)
        case GeneratedStart():
            return _generated(given, method, method.start, opened)
        case _:
            return to_picture(given.renders.frame(start_frame(given, method)), given.shot)


def _generated(
    given: MethodInput,
    method: MotionCraft | MotionGuidance,
    start: GeneratedStart,
    opened: Opened,
) -> Array:
    """Have the model make a picture of the prompt; made once, it is kept."""
    shot = given.shot
    texts = (method.prompt, method.negative_prompt)
    key = stage_key("diffuse", "start", start, *texts, given.weights, shot.film, shot.seed,
                    opened.place)  # fmt: skip
    cache = FrameCache(given.cache / "diffuse" / key)
    kept = cache.find(0)
    if kept is None:
        given.clock.log("info", "Generating the start picture.")
        picture = opened.attempt(lambda: opened.generate(texts, start, shot.film, shot.seed))
        cache.write(0, kept := {"picture": picture})
    return kept["picture"]
