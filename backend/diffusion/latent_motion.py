"""The motion of a frame on the latent grid; what whole cells cannot take is kept for later frames.

Noise must be moved by whole cells: a mean of neighbours has less variance, and the model blurs.
But motion under half a cell a frame would then be lost in every frame. So each cell knows where
its content truly is: the residual, how far from the cell's centre. A cell gathers the content whose
true place is nearest to where its own came from, and the content takes along what is left over.

Another way would be to gather all from the first frame by the composed motion. Its error is half a
cell too, but then whatever came in later would be forgotten in every frame and invented anew.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from .motion import FrameMotion, inside_frame

Floats = NDArray[np.float32]
WarpMode = Literal["nearest", "bilinear", "cubic"]

REACH = 2
"Cells round the source in which content is looked for: residuals are seldom over one."
STAY = 1e-3
"Preference for the smaller shift, in squared cells a cell: a tie must fall alike everywhere."
ALIKE = 0.1
"Cells by which motions of one surface may differ, and as a share of them."
HALF = 0.5
BEGIN = 0.1
"Share of a cell that was unseen from which it begins anew."
LEAST_AREA = 0.1
"Of the previous frame's, in this one, that a cell may come from."


@dataclass(frozen=True)
class LatentWarp:
    """Where each latent cell gathers from, and where the gathered is not what should be there."""

    source: Floats
    "(h, w, 2) latent coordinates (column, row), cell centres at whole numbers; may lie outside."
    novelty: Floats
    "(h, w), 0..1."
    begins: NDArray[np.bool_]
    "(h, w): cells whose source shows, for the most part, what hid them or lies beyond the frame."


class LatentMotion:
    """The state that motion leaves on the latent grid between frames.

    `factor` pixels make a cell; sizes that it does not divide are continued at right and bottom.
    `outside` is the novelty of a cell whose content comes from out of the frame. Without `carry`
    each frame is rounded by itself, as MotionCraft's code does. Blending warps need no carrying.
    With `fill` cells of which a part was unseen are told: something else is to begin there,
    which then lies where it should.
    """

    def __init__(
        self,
        factor: int,
        mode: WarpMode = "nearest",
        *,
        carry: bool = True,
        outside: float = 1.0,
        fill: bool = False,
    ) -> None:
        self._factor = factor
        self._mode = mode
        self._carry = carry
        self._outside = outside
        self._fill = fill
        self._residual: Floats | None = None
        self._cells: Floats | None = None
        self._waiting: Floats | None = None
        self._hidden: Floats | None = None

    def step(self, motion: FrameMotion) -> LatentWarp:
        """Return the warp of this frame; ValueError when its size is not that of the last one."""
        backward = self._blocks(motion.backward)
        seen = self._blocks(motion.novelty) < 1
        cells = (_middle(backward, seen) / self._factor).astype(np.float64)
        size = cells.shape[:2]
        self._cells = cells.astype(np.float32)
        if self._residual is None or self._waiting is None:
            self._residual = np.zeros((*size, 2), np.float32)
            self._waiting = np.zeros(motion.novelty.shape, np.float32)
            self._hidden = np.zeros(motion.novelty.shape, np.float32)
        if self._residual.shape[:2] != size or self._waiting.shape != motion.novelty.shape:
            raise ValueError(f"expected the size of the last frame, got {motion.novelty.shape}")
        here = _centres(size)
        residual = self._residual.astype(np.float64)
        if self._mode != "nearest":
            source = here + cells
        elif self._carry:
            source = _nearest_content(here + cells, residual)
        else:
            source = here + np.round(cells)
        novelty = self._spend(motion, _is_outside(source))
        begins = np.zeros(size, bool)
        if self._fill and motion.unseen is not None:
            begins = self._uncover(motion, motion.unseen, cells)
        if self._mode == "nearest" and self._carry:
            left = source + _at(residual, source) - (here + cells)
            moved = _carried(left, cells)
            self._residual = _settled(moved, cells, novelty > 0).astype(np.float32)
            self._residual[begins] = 0
        return LatentWarp(source.astype(np.float32), novelty, begins)

    @property
    def residual(self) -> Floats:
        """How far (column, row) from each cell's centre its content truly is, in cells."""
        if self._residual is None:
            raise ValueError("expected a step before the residual is asked for")
        return self._residual

    @property
    def cells(self) -> Floats:
        """The last frame's backward motion (h, w, 2) in cells, one for each cell."""
        if self._cells is None:
            raise ValueError("expected a step before its motion is asked for")
        return self._cells

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the next frames need; empty before the first."""
        if self._residual is None or self._waiting is None:
            return {}
        assert self._hidden is not None
        return {
            "residual": self._residual.copy(), "waiting": self._waiting.copy(),
            "hidden": self._hidden.copy(),
        }  # fmt: skip

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from `state`, to the bit."""
        self._residual = state["residual"].astype(np.float32) if state else None
        self._waiting = state["waiting"].astype(np.float32) if state else None
        self._hidden = state["hidden"].astype(np.float32) if state else None

    def _blocks(self, image: NDArray[Any]) -> NDArray[Any]:
        """(H, W, …) to (h, w, factor^2, …): the pixels of each cell."""
        f = self._factor
        height, width = image.shape[:2]
        ends = [(0, -height % f), (0, -width % f), *[(0, 0)] * (image.ndim - 2)]
        whole = np.pad(image, ends, mode="edge")
        h, w = whole.shape[0] // f, whole.shape[1] // f
        rest = image.shape[2:]
        cut = whole.reshape(h, f, w, f, *rest).swapaxes(1, 2)
        return np.ascontiguousarray(cut.reshape(h, w, f * f, *rest))

    def _spend(self, motion: FrameMotion, outside: NDArray[np.bool_]) -> Floats:
        """Say how new each cell is; novelty in no more than half of a cell waits, and moves along.

        What comes from out of the frame comes with the gather: its pixels do not wait as well.
        """
        assert self._waiting is not None
        now = np.where(inside_frame(motion.backward), motion.novelty, 0)
        waiting = np.maximum(now, _follow(self._waiting, motion.backward))
        blocks = np.sort(self._blocks(waiting), axis=2)
        novelty = blocks[:, :, (blocks.shape[2] - 1) // 2]  # more than half is as new as that
        novelty = np.where(outside, self._outside, novelty).astype(np.float32)
        spread = novelty.repeat(self._factor, 0).repeat(self._factor, 1)
        height, width = waiting.shape
        spent = waiting <= spread[:height, :width] + 1e-6
        self._waiting = np.where(spent, 0, waiting).astype(np.float32)
        return novelty

    def _uncover(
        self, motion: FrameMotion, unseen: NDArray[np.bool_], cells: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return cells of which more than BEGIN was unseen, now or in the frames before.

        Sets the motion of those in `cells` to that of what is seen now. Less waits, as novelty.
        """
        assert self._hidden is not None
        hidden = np.maximum(unseen, _follow(self._hidden, motion.backward)) > HALF
        blocks = self._blocks(hidden)
        uncovered: NDArray[np.bool_] = blocks.mean(axis=-1) > BEGIN
        if uncovered.any():
            seen_now = self._blocks(motion.backward)[uncovered][None]
            cells[uncovered] = _middle(seen_now, blocks[uncovered][None])[0] / self._factor
        spent = uncovered.repeat(self._factor, 0).repeat(self._factor, 1)
        self._hidden = (hidden & ~spent[: hidden.shape[0], : hidden.shape[1]]).astype(np.float32)
        return uncovered


def _middle(blocks: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[Any]:
    """The motion (h, w, 2) of most pixels of each cell: the median, of what was seen before."""
    counted = (seen | ~seen.any(-1, keepdims=True))[..., None]
    ordered = np.sort(np.where(counted, blocks, np.inf), axis=2)
    count = counted.sum(2, keepdims=True)
    two = [np.take_along_axis(ordered, middle, 2) for middle in ((count - 1) // 2, count // 2)]
    return np.asarray((two[0] + two[1])[:, :, 0] / 2)


def _centres(size: tuple[int, ...]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float64)
    return np.stack([columns, rows], -1)


def _is_outside(source: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a source (column, row) lies half a cell or more beyond the outermost centres."""
    high = np.array([source.shape[1], source.shape[0]]) - 0.5
    return np.asarray(((source < -0.5) | (source > high)).any(-1))


def _at(field: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The field (h, w, 2) at whole places (…, 2); beyond the frame that of its edge."""
    column = np.clip(place[..., 0].astype(np.int64), 0, field.shape[1] - 1)
    row = np.clip(place[..., 1].astype(np.int64), 0, field.shape[0] - 1)
    return np.asarray(field[row, column])


def _nearest_content(
    wanted: NDArray[np.float64], residual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The cell (column, row) whose content is truly nearest to each wanted place (h, w, 2)."""
    here = _centres(wanted.shape[:2])
    base = np.round(wanted)
    best, least = base, np.full(wanted.shape[:2], np.inf)
    for row in range(-REACH, REACH + 1):
        for column in range(-REACH, REACH + 1):
            cell = base + np.array([column, row])
            miss = ((cell + _at(residual, cell) - wanted) ** 2).sum(-1)
            miss += STAY * np.linalg.norm(cell - here, axis=-1)
            nearer = miss < least
            best, least = np.where(nearer[..., None], cell, best), np.where(nearer, miss, least)
    return best


def _carried(left: NDArray[np.float64], cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Carry what is left over (h, w, 2) from the previous frame to this one, by the map's slope.

    Content that grows fills more than its cell. A cell amid it shows its own part of it, and is
    not displaced: half of the growth goes from the residual.
    """
    back = np.eye(2) + _gradient(cells)
    # A surface that turns over or shrinks to nothing within a frame is none: motion gone wild.
    wild = np.linalg.det(back) < LEAST_AREA
    slope = np.linalg.inv(np.where(wild[..., None, None], np.eye(2), back))
    moved = (slope @ left[..., None])[..., 0]
    growth = np.maximum(np.linalg.norm(slope, axis=-1) - 1, 0) / 2
    return np.asarray(np.sign(moved) * np.maximum(np.abs(moved) - growth, 0))


def _gradient(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative (h, w, 2, 2), component by direction (column, row); one-sided, the gentler one."""
    sides = []
    for axis in (1, 0):
        ends = [(1, 1) if d == axis else (0, 0) for d in range(3)]
        step = np.diff(np.pad(field, ends, mode="edge"), axis=axis)
        count = field.shape[axis]
        before, after = step.take(range(count), axis), step.take(range(1, count + 1), axis)
        if count > 1:  # the edges know one side only
            first, last = [np.s_[:, 0], np.s_[:, -1]] if axis else [np.s_[0], np.s_[-1]]
            before[first], after[last] = after[first], before[last]
        sides.append(np.where(abs(before) < abs(after), before, after))
    return np.stack(sides, -1)


def _settled(
    residual: NDArray[np.float64], cells: NDArray[np.float64], novel: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Let what is novel lie as the known content beside it of the same motion does.

    Where there is none, as amid smoke, it keeps what was gathered for it.
    """
    total, count = np.zeros_like(residual), np.zeros(novel.shape)
    ends = ((1, 1), (1, 1), (0, 0))
    wide = np.pad(residual, ends), np.pad(cells, ends), np.pad(novel, 1, constant_values=True)
    height, width = novel.shape
    for row in range(3):
        for column in range(3):
            part = np.s_[row : row + height, column : column + width]
            apart = np.linalg.norm(wide[1][part] - cells, axis=-1)
            alike = ~wide[2][part] & (apart <= ALIKE * (1 + np.linalg.norm(cells, axis=-1)))
            total += np.where(alike[..., None], wide[0][part], 0)
            count += alike
    known = (novel & (count > 0))[..., None]
    return np.where(known, total / np.maximum(count, 1)[..., None], residual)


def _follow(image: Floats, backward: Floats) -> NDArray[Any]:
    """The image moved along: each pixel's value at here + backward, 0 beyond the frame."""
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    places = [rows + backward[..., 1], columns + backward[..., 0]]
    return np.asarray(map_coordinates(image, places, order=1, mode="constant", prefilter=False))
