"""Asks to answers: finds the shot, has it prepared once, and draws it; used by the viewer.

What computes is imported when the first picture is asked for, so that the viewer listens at once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from ...contract import views as v
from ...contract.arrays import Array, ArrayRef
from ...contract.errors import ShotError
from ...contract.ranges import decoded
from ...contract.shot import Shot
from ...contract.shot_check import array_refs, check_shot
from ..doors.calls import DECODING_ERRORS
from ..kept.array_store import ArrayStore
from ..kept.store import Store

if TYPE_CHECKING:
    from ....kernels.splats.project import View
    from ...stages.views.watched import Lit, Watched

SHOTS = 2
"Prepared shots that are kept: those looked at last."

Painted = tuple[v.AnySight, tuple[Array, ...]]


class Painter:
    """Draws the shots of one home on one device."""

    def __init__(self, home: Path, device: str) -> None:
        self._home = home
        self._device: str | None = device
        self._arrays = ArrayStore(home)
        self._watched: OrderedDict[str, Watched] = OrderedDict()

    def paint(
        self, request: v.AnyView, say: Callable[[str], None], check: Callable[[], None]
    ) -> Painted:
        """Return the answer to a request, and the raw frames that it speaks of.

        `say` hears of what takes seconds before it begins; `check` is asked between steps and may
        raise. Raises ImpetusErrors of the shot, of take and memory.
        """
        began = time.monotonic()
        if self._device is not None:
            say("Starting")
            _start(self._device)
            self._device = None
        watched = self._shot(request.source, say)
        check()
        lit = watched.lit(
            request.frame,
            _eye(request),
            bodies=request.bodies,
            fine=isinstance(request, v.Look) and request.fine,
            check=check,
        )
        if lit is None:
            return v.Absent(watched.kept.nearest_before(request.frame)), ()
        if isinstance(request, v.Spread):
            return _points(lit, request.count)
        return _picture(lit, request, began, check)

    def _shot(self, source: v.Source, say: Callable[[str], None]) -> "Watched":
        key = source if isinstance(source, str) else source.sha256
        found = self._watched.get(key)
        if found is None:
            from ...stages.views.watched import Watched

            shot = self._read(source)
            say(f"Preparing {shot.name}")
            arrays = self._arrays.collect({ref.sha256: ref for ref in array_refs(shot)})
            check_shot(shot, arrays)
            while len(self._watched) >= SHOTS:  # before the next one takes its memory
                self._watched.popitem(last=False)
            found = self._watched[key] = Watched(
                shot, arrays, self._home / "cache", rests=not isinstance(source, str)
            )
        self._watched.move_to_end(key)
        return found

    def _read(self, source: str | ArrayRef) -> Shot:
        if isinstance(source, str):
            store = Store(self._home / "impetus.sqlite", writes=False)
            try:
                return store.job_of_take(source).read_shot()
            finally:
                store.close()
        data = np.asarray(self._arrays.read(source)).tobytes()
        try:
            return decoded(data, Shot, msgspec.msgpack.decode)
        except DECODING_ERRORS as err:
            raise ShotError("Shot", f"expected a shot, got: {err}.", "Export it again.") from err


def _start(device: str) -> None:
    from ...stages.device import start_device

    start_device(cast(Any, device))


def _eye(request: v.AnyView) -> Array:
    if isinstance(request, v.Spread):
        return np.zeros(3)
    eye: Array = _view(request).eye
    return eye


def _points(lit: "Lit", count: int) -> Painted:
    from ...stages.views.picture import some_points

    place, color = some_points(lit, count)
    return v.Points(len(place)), (place, color)


def _view(look: v.Look) -> "View":
    from ....kernels.splats.project import View

    return View(
        camera_to_world=np.array(look.camera_to_world).reshape(4, 4),
        intrinsics=np.array(look.intrinsics),
        width=look.width,
        height=look.height,
        near=look.near,
        far=look.far,
        orthographic=look.orthographic,
    )


def _picture(lit: "Lit", look: v.Look, began: float, check: Callable[[], None]) -> Painted:
    from ...stages.views.picture import draw_picture

    picture = draw_picture(lit, _view(look), check)
    height, width = picture.depth.shape
    seen = v.Seen(
        left=picture.left, top=picture.top, width=width, height=height, fine=lit.fine,
        splats=len(lit.pose.mean), seconds=time.monotonic() - began,
    )  # fmt: skip
    return seen, (picture.color, picture.depth)
