"""What a capture's file holds: Gaussian splats as they were trained, or coloured points."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CaptureError

Floats = NDArray[np.float32]

MOST = 20_000_000
"Splats or points of one file; the same as a shot may have."
COUNTS = (1, 4, 9, 16)
"Coefficients of harmonics of degree 0 to 3."
BAND_0 = 0.28209479177387814
THINNEST = -27.6
"Logarithm of a half axis (1e-12) that stands for zero, which has none."


@dataclass(frozen=True)
class Gaussians:
    """n splats with the numbers that training left, f4, in the file's own axes and length.

    `mean` (n, 3); `log_scale` (n, 3) natural logarithms of the half axes; `quaternion` (n, 4) wxyz
    of any length but zero; `logit` (n,) of the opacity; `harmonics` (n, 1, 4, 9 or 16, 3), see
    harmonics.py. `antialiased`: trained to grow fainter as a pixel makes them larger. `notes` says,
    a sentence each, what is otherwise than in the file.
    """

    mean: Floats
    log_scale: Floats
    quaternion: Floats
    logit: Floats
    harmonics: Floats
    antialiased: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def opacity(self) -> Floats:
        """Opacity (n,) in 0..1."""
        return opacity_of(self.logit)

    @property
    def colors(self) -> Floats:
        """Mean colour over all directions (n, 3), as trained: sRGB mostly, about 0..1."""
        return np.float32(0.5) + np.float32(BAND_0) * self.harmonics[:, 0]

    def only(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Gaussians":
        """Return some of the splats."""
        return replace(
            self, mean=self.mean[rows], log_scale=self.log_scale[rows],
            quaternion=self.quaternion[rows], logit=self.logit[rows],
            harmonics=self.harmonics[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Points:
    """n coloured points without sizes, f4: `position` (n, 3), `color` (n, 3) sRGB in 0..1."""

    position: Floats
    color: Floats
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.position)


def opacity_of(logit: Floats) -> Floats:
    """Return 1 / (1 + e^-logit), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(logit, np.float64) / 2)), np.float32)


def logit_of(opacity: NDArray[Any]) -> Floats:
    """Return the logits of opacities within 0..1, neither end included."""
    opacity = np.asarray(opacity, np.float64)
    logit: Floats = np.log(opacity / (1 - opacity)).astype(np.float32)
    return logit


def require_count(name: str, count: int) -> None:
    """Raise CaptureError for a file without splats, or with more than a shot may have."""
    if not 0 < count <= MOST:
        raise CaptureError(
            f"{name}: expected 1 to {MOST:,} splats or points, but its header says {count:,}.",
            "Thin it out where it was made." if count > 0 else "Export it again.",
        )


def whole_splats(name: str, read: Gaussians) -> Gaussians:
    """Leave out splats that hold NaN or infinity, and give those without thickness a little.

    Raises CaptureError where none is left.
    """
    flat = np.isneginf(read.log_scale)
    if flat.any():
        read.log_scale[flat] = THINNEST
    good = np.isfinite(read.logit) & (np.linalg.norm(read.quaternion, axis=1) > 1e-12)
    for array in (read.mean, read.log_scale, read.quaternion, read.harmonics):
        good &= np.isfinite(array).reshape(len(array), -1).all(axis=1)
    notes = list(read.notes)
    if count := int(flat.any(axis=1).sum()):
        notes.append(f"{count:,} splats have a scale of zero or less; they are flat there.")
    return replace(_only_good(name, read, good), notes=(*notes, *_left_out(good)))


def whole_points(name: str, read: Points) -> Points:
    """Leave out points that hold NaN or infinity. Raises CaptureError where none is left."""
    numbers = np.concatenate([read.position, read.color], axis=1)
    good: NDArray[np.bool_] = np.isfinite(numbers).all(axis=1)
    if not good.any():
        raise _all_broken(name, len(read))
    if good.all():
        return read
    return Points(read.position[good], read.color[good], (*read.notes, *_left_out(good)))


def _only_good(name: str, read: Gaussians, good: NDArray[np.bool_]) -> Gaussians:
    if not good.any():
        raise _all_broken(name, len(read))
    return read if good.all() else read.only(good)


def _left_out(good: NDArray[np.bool_]) -> tuple[str, ...]:
    if good.all():
        return ()
    left = len(good) - int(good.sum())
    return (f"{left:,} of {len(good):,} hold NaN or infinity; they are left out.",)


def _all_broken(name: str, count: int) -> CaptureError:
    return CaptureError(
        f"{name}: expected finite numbers, got NaN or infinity in all {count:,} rows.",
        "Export it again.",
    )
