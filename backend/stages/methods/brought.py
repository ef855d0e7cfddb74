"""Motion that somebody brought: fields from a file, or a video whose motion is estimated."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ....kernels.warp import follow
from ...contract.arrays import Array
from ...contract.image_motions import FileMotion, VideoMotion
from ...contract.shot import Film
from ...diffusion.flows.step import FlowStep
from ...diffusion.motion import to_backward
from .border import fit_picture
from .given import MethodInput

if TYPE_CHECKING:
    from ...diffusion.flow_network import FlowNetwork

AGREES, AGREES_PART = 1.0, 0.05
"Pixels, and part of the motion, by which the ways there and back of one point may differ."


class Brought:
    """Steps from frame to frame, and the way from the first frame to another; film pixels."""

    def __init__(self, given: MethodInput, motion: FileMotion | VideoMotion) -> None:
        self._given, self._motion = given, motion
        self._film, self._first = given.shot.film, given.shot.frames.first
        self._reached = self._first
        self._flow = np.zeros((self._film.height, self._film.width, 2), np.float32)

    def step(self, frame: int) -> FlowStep:
        """Return the step from the frame before to this one."""
        index = frame - self._first - 1
        if isinstance(self._motion, VideoMotion):
            return self._estimated_step(index)
        field = self._field(self._motion, index)
        active = self._active(self._motion, index)
        if self._motion.direction == "forward":
            return FlowStep(field, active)
        return FlowStep(-field, active, exact=(field, np.ones(field.shape[:2], bool)))

    def until(self, frame: int) -> Array:
        """Return where each pixel of the first frame is at `frame`; frames are asked in order."""
        if isinstance(self._motion, VideoMotion):  # looked at directly: no error adds up
            return self._estimated(0, frame - self._first) if frame > self._first else self._flow
        while self._reached < frame:
            step = self._field(self._motion, self._reached - self._first)
            if self._motion.direction == "backward":
                step = to_backward(step)[0]  # the inverse of a backward field is a forward one
            self._flow = self._flow + follow(step, self._flow)
            self._reached += 1
        return self._flow

    def _field(self, motion: FileMotion, index: int) -> Array:
        return scale_flow(self._given.arrays.of(motion.flow)[index], self._film)

    def _active(self, motion: FileMotion, index: int) -> Array:
        if motion.active is None:
            return np.zeros((self._film.height, self._film.width), bool)
        masks = self._given.arrays.of(motion.active)
        mask = Image.fromarray((masks[index if len(masks) > 1 else 0] > 0).astype(np.uint8))
        size = (self._film.width, self._film.height)
        return np.asarray(mask.resize(size, Image.Resampling.NEAREST)) > 0

    def _estimated_step(self, index: int) -> FlowStep:
        """Estimate both ways: where they disagree, the later picture shows something new."""
        forward, back = self._estimated(index, index + 1), self._estimated(index + 1, index)
        miss = np.linalg.norm(back + follow(forward, back), axis=-1)
        covered = miss < AGREES + AGREES_PART * np.linalg.norm(back, axis=-1)
        still = np.zeros(covered.shape, bool)
        return FlowStep(forward, still, exact=(back, covered))

    def _estimated(self, one: int, other: int) -> Array:
        from ...diffusion.flow_network import estimate_flow

        assert isinstance(self._motion, VideoMotion)
        self._given.clock.check()
        pictures = self._given.arrays.of(self._motion.frames)
        pair = [fit_picture(pictures[i], self._film) for i in (one, other)]
        return estimate_flow(self._network, pair[0], pair[1], self._motion.iterations)

    @cached_property
    def _network(self) -> "FlowNetwork":
        from ...diffusion.flow_network import open_flow_network

        assert self._given.needs.motion_network is not None
        return open_flow_network(self._given.needs.motion_network)


def scale_flow(flow: Array, film: Film) -> Array:
    """Bring a field (H, W, 2) of pixels of its own picture to the film's size and pixels."""
    height, width = flow.shape[:2]
    size = (film.width, film.height)
    if (width, height) == size:
        return np.asarray(flow, np.float32)
    planes = []
    for axis, factor in enumerate((film.width / width, film.height / height)):
        plane = Image.fromarray(np.ascontiguousarray(flow[..., axis], np.float32))
        planes.append(np.asarray(plane.resize(size, Image.Resampling.BILINEAR)) * factor)
    return np.stack(planes, axis=-1).astype(np.float32)
