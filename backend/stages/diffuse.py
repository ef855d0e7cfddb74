"""The method's place in the chain: rendered frames in, frames with its images out.

A method says here in which unit it works, and its generator takes rendered frames in order and
yields them with another beauty. The passes stay what they are.
"""

from collections.abc import Collection, Iterator
from typing import Literal

from ..contract.errors import ShotError
from ..contract.methods import Method, NoMethod
from ..contract.shot import Shot
from .images.rendered import RenderedFrame

Unit = Literal["frame", "window", "clip"]
"Whether a frame of the method needs that frame alone, its neighbourhood, or the whole shot."


def unit_of(method: Method) -> Unit:
    """Return the unit that a method works in."""
    match method:
        case NoMethod():
            return "frame"
        case _:
            return "clip"


def frames_to_render(shot: Shot, missing: Collection[int]) -> set[int]:
    """Return the frames that must be rendered so that the method can make the missing ones."""
    if unit_of(shot.method) == "clip" and missing:
        return set(shot.frames.numbers)
    return set(missing)


def diffuse(shot: Shot, frames: Iterator[RenderedFrame]) -> Iterator[RenderedFrame]:
    """Run the shot's method over its frames; without one they go through untouched."""
    match shot.method:
        case NoMethod():
            return frames
        case method:
            raise ShotError("Method", f"expected none, got {type(method).__name__}.")
