"""What Motion Guidance is told for each frame: where the source picture's pixels go until then."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ...contract.arrays import Array
from ...contract.edits import AuthoredMotion
from ...contract.image_motions import FileMotion, ShotMotion, VideoMotion
from ...contract.methods import MotionGuidance
from ...contract.shot import FrameRange
from ...contract.shot_check import array_refs
from ..bodies.shape import track_row
from .brought import Brought
from .given import MethodInput


@dataclass(frozen=True)
class Edit:
    """Images of the film's size, (h, w, …), on the source's pixels; masks None where not known."""

    flow: Array
    "(h, w, 2) f4 forward, pixels."
    moving: Array | None = None
    editable: Array | None = None
    visible: Array | None = None


def edits_of(
    given: MethodInput, method: MotionGuidance, source: int, wanted: Collection[int]
) -> Iterator[tuple[int, Edit]]:
    """Yield the edit that makes each wanted frame of the source, in order."""
    match method.motion:
        case ShotMotion():
            for frame, flow in given.renders.flows_from(source, wanted):
                yield frame, Edit(flow.forward, flow.moving, flow.changed, flow.visible)
        case AuthoredMotion() as motion:
            for frame in sorted(wanted):
                yield frame, _authored(given, motion, frame)
        case FileMotion() | VideoMotion() as motion:
            whole = Brought(given, motion)
            for frame in sorted(wanted):
                yield frame, Edit(whole.until(frame))


def _authored(given: MethodInput, motion: AuthoredMotion, frame: int) -> Edit:
    from ...diffusion.elementary_flows import compose

    film = given.shot.film
    masks = {ref.sha256: given.arrays.of(ref) for ref in array_refs(motion.edits)}
    amount = _amount(given, motion, given.shot.frames, frame)
    field = compose(motion.edits, (film.width, film.height), masks=masks, amount=amount)
    return Edit(field.flow, field.moving)


def _amount(given: MethodInput, motion: AuthoredMotion, frames: FrameRange, frame: int) -> float:
    if motion.amount is not None:
        return float(track_row(frames, given.arrays.of(motion.amount), frame))
    return (frame - frames.first) / (frames.last - frames.first)
