"""The motion that MotionCraft follows, frame by frame: the shot's, or one in the image plane."""

from typing import Protocol

import numpy as np

from ...contract.arrays import Array
from ...contract.image_motions import ShotMotion
from ...contract.methods import MotionCraft
from ...contract.shot import Water
from ...diffusion.motion import FrameMotion, novelty_map, semi_lagrangian
from ..images.rendered import RenderedFrame
from .given import MethodInput


class Motions(Protocol):
    """Where each frame's pixels come from."""

    def motion(self, frame: int) -> FrameMotion:
        """Return the motion from the frame before to this one; frames count as the shot's."""


def motions_of(given: MethodInput, method: MotionCraft) -> Motions:
    """Return what the method follows."""
    if isinstance(method.motion, ShotMotion):
        return _Rendered(given, method)
    raise NotImplementedError


class _Rendered:
    """The motion field of the rendered frames: exact, with what it knows to be hidden before."""

    def __init__(self, given: MethodInput, method: MotionCraft) -> None:
        self._renders, self._method = given.renders, method
        bodies = given.shot.bodies
        self._flowing = [i for i, b in enumerate(bodies) if isinstance(b.material, Water)]
        self._mask: Array | None = None
        if method.novelty.mask is not None:
            self._mask = given.arrays.of(method.novelty.mask) > 0

    def motion(self, frame: int) -> FrameMotion:
        here = self._renders.frame(frame)
        backward = np.asarray(here.backward, np.float32)
        if self._method.backward == "semi-lagrangian":
            backward = semi_lagrangian(self._renders.frame(frame - 1).forward)
        return FrameMotion(backward, self._novelty(here, backward))

    def _novelty(self, here: RenderedFrame, backward: Array) -> Array:
        """Water is active matter: how its surface will look, its last frame does not tell."""
        rules = self._method.novelty
        return novelty_map(
            backward,
            validity=here.valid_backward,
            active=np.isin(here.index, self._flowing) if rules.active else None,
            mask=self._mask,
            floor=rules.floor,
            ceiling=rules.ceiling,
            out_of_frame=rules.out_of_frame,
            disoccluded=rules.disoccluded,
        )
