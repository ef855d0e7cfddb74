"""What Motion Guidance is told for each frame: where the source picture's pixels go until then."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ....kernels.warp import follow
from ...contract.arrays import Array
from ...contract.edits import AuthoredMotion
from ...contract.image_motions import FileMotion, ShotMotion, VideoMotion
from ...contract.methods import MotionGuidance
from ...contract.shot import Film, FrameRange
from ...contract.shot_check import array_refs
from ..bodies.shape import track_row
from .border import fit_picture
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
            whole = _Steps(given, motion)
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


class _Steps:
    """The motion of a file or a video from its first frame on, steps composed."""

    def __init__(self, given: MethodInput, motion: FileMotion | VideoMotion) -> None:
        self._given, self._motion = given, motion
        self._frame = given.shot.frames.first
        film = given.shot.film
        self._flow = np.zeros((film.height, film.width, 2), np.float32)

    def until(self, frame: int) -> Array:
        """Return where each pixel of the first frame is at `frame`; frames are asked in order."""
        if isinstance(self._motion, VideoMotion):
            return self._estimated(self._motion, frame)
        while self._frame < frame:
            step = self._step(self._motion, self._frame - self._given.shot.frames.first)
            self._flow = self._flow + follow(step, self._flow)
            self._frame += 1
        return self._flow

    def _step(self, motion: FileMotion, index: int) -> Array:
        from ...diffusion.motion import to_backward

        film = self._given.shot.film
        step = scale_flow(self._given.arrays.of(motion.flow)[index], film)
        # The inverse of a backward field is a forward one: the same operation.
        return to_backward(step)[0] if motion.direction == "backward" else step

    def _estimated(self, motion: VideoMotion, frame: int) -> Array:
        """Look from the first picture at this one: no error adds up over the steps."""
        from ...diffusion.flow_network import estimate_flow, open_flow_network

        first = self._given.shot.frames.first
        if frame == first:
            return self._flow
        assert self._given.needs.motion_network is not None
        network = open_flow_network(self._given.needs.motion_network)
        pictures = self._given.arrays.of(motion.frames)
        pair = [fit_picture(pictures[i], self._given.shot.film) for i in (0, frame - first)]
        return estimate_flow(network, pair[0], pair[1], motion.iterations)


def scale_flow(flow: Array, film: Film) -> Array:
    """Bring a field (H, W, 2) of pixels of its own picture to the film's size and pixels."""
    height, width = flow.shape[:2]
    if (width, height) == (film.width, film.height):
        return np.asarray(flow, np.float32)
    size = (film.width, film.height)
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(flow[..., i], np.float32)).resize(
            size, Image.Resampling.BILINEAR)) * (new / old)
        for i, (new, old) in enumerate(zip(size, (width, height), strict=True))
    ]  # fmt: skip
    return np.stack(planes, axis=-1)
