"""What the autoencoder loses of a source, carried along the motion into an edit, or a video, of it.

Not of the papers: their autoencoder loses little at 512 px. A small one, or a small picture, loses
much: an edit would stand out as a soft patch in a sharp picture, a video be soft throughout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from .edit_masks import Mask
from .hard_warp import move
from .motion import FrameMotion, inside_frame

REACH = 2.0
"Standard deviation, px, of the neighbourhood in which edit and moved source are compared."
TOLERANCE = 20.0
"Levels of 255 by which they may differ there before detail is held back."
NOVEL, WHOLE = 0.5, 0.999
"Novelty from which a pixel is a new one; share of known pixels round it up to which it is known."


def add_detail(
    edit: NDArray[Any],
    source: NDArray[np.uint8],
    decoded: NDArray[Any],
    flow: NDArray[Any],
    moving: Mask,
    visible: Mask | None,
) -> NDArray[np.float64]:
    """Return an edit (H, W, 3), 0..255, with the detail that its source lost when `decoded`.

    `decoded` (H, W, 3) is the source's own round trip through the autoencoder, `flow` (H, W, 2)
    where its pixels went. Detail goes only where the edit shows there what the moved round trip
    shows; where the model made something else, and in holes, the edit stays as it is. Taichi must
    have been started.
    """
    there, hole, _ = move(decoded, flow, moving, visible)
    lost = move(source, flow, moving, visible)[0] - there
    return _added(edit, there, lost, ~hole)


class CarriedDetail:
    """What a start picture lost when encoded, carried along a video's motion into its frames.

    `source` and `decoded` are the picture and its round trip, u1 (H, W, 3). Each pixel of the
    newest frame knows its place in the start picture, so detail is sampled once however many frames
    have passed. What a frame shows anew has no place there: it stays as the model made it, or
    takes the detail that `renew` brings.
    """

    def __init__(self, source: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> None:
        self._source, self._decoded = source, decoded
        height, width = source.shape[:2]
        self._offset = np.zeros((height, width, 2), np.float32)
        self._known = np.ones((height, width), bool)
        self._fresh: NDArray[np.float32] | None = None
        "(H, W, 7): picture and round trip of what `renew` brought, as it lies now; 1 where known."

    def renew(self, source: NDArray[np.uint8], decoded: NDArray[np.uint8], where: Mask) -> None:
        """Take the newest frame's detail from another picture `where` it shows that (H, W)."""
        if self._fresh is None:
            self._fresh = np.zeros((*where.shape, 7), np.float32)
        self._fresh[where] = np.concatenate([source, decoded, where[..., None]], -1)[where]
        self._known &= ~where

    def step(self, motion: FrameMotion) -> None:
        """Go on to the frame that `motion` leads to."""
        at = _places(motion.backward)
        before = [_sampled(self._offset[..., k], at) for k in range(2)]
        known = _sampled(self._known.astype(np.float32), at) > WHOLE
        old = (motion.novelty < NOVEL) & inside_frame(motion.backward)
        self._known = known & old
        if self._fresh is not None:
            orders = [3] * 6 + [1]
            moved = [_sampled(self._fresh[..., k], at, order=n) for k, n in enumerate(orders)]
            moved[6] = (moved[6] > WHOLE) & old & ~self._known
            self._fresh = np.stack(moved, -1).astype(np.float32)
        self._offset = (motion.backward + np.stack(before, -1)).astype(np.float32)

    def add(self, frame: NDArray[Any]) -> NDArray[np.float64]:
        """Return a made frame (H, W, 3), 0..255, with the detail; as `add_detail` says."""
        at = _places(self._offset)
        pictures = [picture.astype(np.float32) for picture in (self._source, self._decoded)]
        source, there = (
            np.stack([_sampled(picture[..., k], at, order=3) for k in range(3)], -1)
            for picture in pictures
        )
        known = self._known
        if self._fresh is not None:
            fresh = self._fresh[..., 6:] > 0
            source = np.where(fresh, self._fresh[..., 0:3], source)
            there = np.where(fresh, self._fresh[..., 3:6], there)
            known = known | fresh[..., 0]
        return _added(frame, there, source - there, known)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what later frames need; its size does not grow beyond that of its pictures."""
        state: dict[str, NDArray[Any]] = {
            "source": self._source, "decoded": self._decoded, "offset": self._offset,
            "known": self._known,
        }  # fmt: skip
        return state if self._fresh is None else state | {"fresh": self._fresh}

    @classmethod
    def restored(cls, state: dict[str, NDArray[Any]]) -> "CarriedDetail":
        """Return what goes on as after `state` was taken."""
        carried = cls(state["source"], state["decoded"])
        carried._offset, carried._known = state["offset"], state["known"]
        carried._fresh = state.get("fresh")
        return carried


def _added(
    frame: NDArray[Any], there: NDArray[Any], lost: NDArray[Any], known: Mask
) -> NDArray[np.float64]:
    """Add what was lost where a frame shows what the moved round trip shows."""
    difference = ((frame.astype(np.float64) - there) ** 2).mean(axis=-1)
    counted = known.astype(np.float64)
    around = gaussian_filter(difference * counted, REACH) / (gaussian_filter(counted, REACH) + 1e-9)
    share = counted * np.exp(-around / TOLERANCE**2)
    return np.asarray(frame + share[..., None] * lost)


def _places(offset: NDArray[Any]) -> NDArray[np.float64]:
    """Rows and columns (2, H, W) of here + offset (H, W, 2)."""
    rows, columns = np.mgrid[0 : offset.shape[0], 0 : offset.shape[1]]
    return np.stack([rows + offset[..., 1], columns + offset[..., 0]])


def _sampled(field: NDArray[Any], at: NDArray[np.float64], order: int = 1) -> NDArray[Any]:
    """The field (H, W) at places; beyond its edge that of the edge."""
    return np.asarray(map_coordinates(field, at, order=order, mode="nearest"))
