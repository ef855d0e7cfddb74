"""The method's place in the chain: rendered frames in, frames with its pictures out.

MotionCraft works through the shot in order, Motion Guidance edits each frame by itself; both keep
what they made in the cache. The passes stay what they are. torch is imported here alone, and only
when there is a method.
"""

from collections.abc import Collection, Iterator

from ..contract.arrays import Array
from ..contract.methods import MotionCraft, MotionGuidance
from ..contract.shot import Shot
from .device import start_device
from .images.rendered import RenderedFrame
from .methods.border import from_picture
from .methods.given import MethodInput
from .methods.needs import Needs, require_memory

__all__ = ["MethodInput", "diffuse", "require_room"]


def require_room(shot: Shot, needs: Needs) -> None:
    """Raise MemoryShortError, or ResourceError, when the method cannot run on this device."""
    guided = isinstance(shot.method, MotionGuidance)
    require_memory(needs, shot.film, start_device().name, gradients=guided)


def diffuse(given: MethodInput, wanted: Collection[int]) -> Iterator[RenderedFrame]:
    """Run the shot's method and yield the wanted frames in order, the passes as rendered.

    Raises ModelError, ResourceError, and what the clock's `check` raises.
    """
    for number, picture in _pictures(given, wanted):
        yield from_picture(picture, given.renders.frame(number), given.shot)


def _pictures(given: MethodInput, wanted: Collection[int]) -> Iterator[tuple[int, Array]]:
    match given.shot.method:
        case MotionCraft() as method:
            from .methods.craft import craft

            return craft(given, method, wanted)
        case MotionGuidance() as method:
            from .methods.guide import guide

            return guide(given, method, wanted)
        case method:
            raise AssertionError(f"{type(method).__name__} diffuses nothing")
