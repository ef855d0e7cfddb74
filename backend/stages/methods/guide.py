"""Motion Guidance over a shot: each frame is an edit of the source picture, by itself."""

import time
from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ...contract.arrays import Array
from ...contract.image_motions import ShotMotion
from ...contract.methods import MotionGuidance, RenderStart
from ..cache import FrameCache, stage_key
from .edits import Edit, edits_of
from .given import MethodInput
from .opening import Opened
from .start import start_frame, start_picture

if TYPE_CHECKING:
    from ...diffusion.motion_guidance import MotionGuidance as Guiding

State = dict[str, Array]

SAVE_SECONDS = 5.0
"A state is written at most this often: what is lost with a killed job."
SOURCE = "source"
"The part of a state that all edits of one source share: its inverted latents."


def guide(
    given: MethodInput, method: MotionGuidance, wanted: Collection[int]
) -> Iterator[tuple[int, Array]]:
    """Yield the wanted frames' pictures u1 (h, w, 3) in order."""
    opened = Opened(given.needs, given.shot.film, given.clock)
    key = _key(given, method, opened.place)
    cache = FrameCache(given.cache / "diffuse" / key)
    absent = [n for n in sorted(wanted) if cache.find(n) is None]
    given.clock.expect("diffuse", len(absent))
    edits = _Edits(given, method, opened, cache) if absent else None
    made = edits.pictures(absent) if edits else iter(())
    for number in sorted(wanted):
        if number in absent:
            yield next(made)
        else:
            yield number, cache.read(number)["picture"]


def _key(given: MethodInput, method: MotionGuidance, place: str) -> str:
    """Name all that the pictures depend on: the renders only where they are read."""
    shot = given.shot
    reads = isinstance(method.motion, ShotMotion) or isinstance(method.start, RenderStart)
    behind = shot.world.background if reads and shot.world.transparent else None
    return stage_key(
        "diffuse", method, given.weights, shot.film, shot.frames, shot.seed, place,
        given.renders.key if reads else "", behind,
    )  # fmt: skip


class _Edits:
    """Makes the frames that are missing; an edit that was broken off goes on at its last state."""

    def __init__(
        self, given: MethodInput, method: MotionGuidance, opened: Opened, cache: FrameCache
    ) -> None:
        self._given, self._method, self._opened, self._cache = given, method, opened, cache
        self._shared = FrameCache(cache.folder.with_name(f"{cache.folder.name}-source"))
        self._source: Array | None = None
        self._guiding: Guiding | None = None
        self._done = 0
        self._saved = 0.0

    def pictures(self, absent: Collection[int]) -> Iterator[tuple[int, Array]]:
        """Make and keep the absent frames, in order."""
        first = start_frame(self._given, self._method)
        self._source = start_picture(self._given, self._method, self._opened)
        for number, edit in edits_of(self._given, self._method, first, absent):
            picture = self._opened.attempt(partial(self._make, number, edit), self._forget)
            self._cache.write(number, {"picture": picture})
            self._done += 1
            self._given.clock.progress("diffuse", self._done, 0)
            yield number, picture

    def _make(self, number: int, edit: Edit) -> Array:
        assert self._source is not None
        moving = edit.flow.any() if edit.moving is None else edit.moving.any()
        if not moving:
            return self._source.copy()
        editable = edit.editable
        if self._method.editable is not None:
            editable = self._given.arrays.of(self._method.editable) > 0
        return self._ready().edit(
            self._source,
            edit.flow,
            editable=editable,
            moving=edit.moving,
            visible=edit.visible,
            state=self._kept(number),
            on_state=lambda state: self._keep(number, state),
        )

    def _ready(self) -> "Guiding":
        if self._guiding is None:
            from ...diffusion.flow_network import open_flow_network
            from ...diffusion.motion_guidance import MotionGuidance as Making

            shot, model = self._given.shot, self._opened.model
            assert self._given.needs.guiding_network is not None
            network = open_flow_network(self._given.needs.guiding_network, model.precision.device)
            size, check = (shot.film.width, shot.film.height), self._given.clock.check
            self._guiding = Making(model, network, self._method, size, shot.seed, check, self._told)
        return self._guiding

    def _forget(self) -> None:
        self._guiding = None

    def _told(self, done: int, total: int) -> None:
        self._given.clock.progress("diffuse", self._done + done / total, 0)

    def _kept(self, number: int) -> State:
        """Return the state that this frame was left in, or what it shares with the others."""
        shared = self._shared.find(0) or {}
        kept = self._cache.newest_checkpoint(number)
        return shared | kept[1] if kept and kept[0] == number else shared

    def _keep(self, number: int, state: State) -> None:
        now = time.monotonic()
        if SOURCE in state and not self._shared.has(0):
            self._shared.write(0, {SOURCE: state[SOURCE]})
        if now - self._saved > SAVE_SECONDS:
            own = {name: array for name, array in state.items() if name != SOURCE}
            self._cache.write_checkpoint(number, own)
            self._saved = now
