"""The motion that MotionCraft follows, frame by frame: the shot's, or one in the image plane."""

from typing import Protocol

import numpy as np

from ...contract.arrays import Array
from ...contract.image_motions import FileMotion, ShotMotion, SimulatedMotion, VideoMotion
from ...contract.materials import Water
from ...contract.methods import MotionCraft
from ...diffusion.image_motion import SimulatedMotion as Simulation
from ...diffusion.image_motion import motion_of_step
from ...diffusion.motion import FrameMotion, frame_motion, semi_lagrangian
from ..images.rendered import RenderedFrame
from .brought import Brought
from .given import MethodInput


class Motions(Protocol):
    """Where each frame's pixels come from."""

    def motion(self, frame: int) -> FrameMotion | None:
        """Return the motion from the frame before to this one; None for the first."""


def motions_of(given: MethodInput, method: MotionCraft) -> Motions:
    """Return what the method follows."""
    match method.motion:
        case ShotMotion():
            return _Rendered(given, method)
        case FileMotion() | VideoMotion() as motion:
            return _Brought(given, method, motion)
        case motion:
            return _simulated(given, method, motion)


def _simulated(given: MethodInput, method: MotionCraft, motion: SimulatedMotion) -> "_InPlane":
    shot = given.shot
    source = Simulation(
        motion,
        given.arrays,
        (shot.film.width, shot.film.height),
        len(shot.frames.numbers),
        fps=shot.frames.fps,
        seed=shot.seed,
        rules=method.novelty,
        backward=method.backward,
    )
    return _InPlane(source, shot.frames.first)


class _Brought:
    """A motion from a file or a video, turned round and judged by the rules."""

    def __init__(
        self, given: MethodInput, method: MotionCraft, motion: FileMotion | VideoMotion
    ) -> None:
        self._steps = Brought(given, motion)
        self._arrays, self._method = given.arrays, method

    def motion(self, frame: int) -> FrameMotion:
        method = self._method
        return motion_of_step(
            self._steps.step(frame), method.novelty, self._arrays, method.backward
        )


class _InPlane:
    """A motion that is counted from 0 at the shot's first frame."""

    def __init__(self, source: Motions, first: int) -> None:
        self._source, self._first = source, first

    def motion(self, frame: int) -> FrameMotion | None:
        return self._source.motion(frame - self._first)


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
        return frame_motion(
            backward,
            self._method.novelty,
            validity=here.valid_backward,
            active=self._active(here),
            mask=self._mask,
            surfaces=np.asarray(here.index),
        )

    def _active(self, here: RenderedFrame) -> Array:
        """Water is active matter: how its surface will look, its last frame does not tell."""
        return np.isin(here.index, self._flowing)
