"""Gas as Gaussians: blocks of cells, large where little is, small where it matters; feeds render.

A block of edge w and mean extinction k becomes a round Gaussian of sigma s = SIGMA w whose optical
depth along any line through its middle is k w^3 / (2 pi s^2): on a lattice they sum up to k within
a thousandth. Its opacity is 1 - exp of minus that. Blocks start with COARSEST cells along an edge
and are split in eight where what they hold varies most, until the count is used up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....kernels.fluids.air import traced
from ....kernels.fluids.grid import face_field
from ...contract.air import Gas
from ...contract.shot import Shot
from .gas import GasFrame

Floats = NDArray[np.float32]

SIGMA = 0.65
"Standard deviation of a Gaussian in edges of its block."
COARSEST = 4
"Cells along the edge of the largest block; a power of two."
UNSEEN = 1 / 255
"Opacity below which the rasteriser draws nothing."
SHARP = 0.01
"Spread of the optical depth within a block that is always shown, where the count allows."
RED, GREEN, BLUE = 612e-9, 549e-9, 465e-9
"Wavelengths [m] at which a black body's colour is read."
PLANCK = 0.014387769
"Second radiation constant [m K]."
DAYLIGHT = 6500.0
"K of the black body that counts as white."
AMBIENT = 293.15


@dataclass(frozen=True)
class GasSplats:
    """Gaussians of one frame, (n, …), f32, in the world.

    `mean` (n, 3) m, `sigma` (n,) m, `opacity` (n,), `albedo` (n, 3) the share of the light that
    they scatter, `emission` (n, 3) radiance; `before`, `after` (n, 3) m where what is there was
    and will be in the frames around, None where there is none. `frame` is where they come from.
    """

    mean: Floats
    sigma: Floats
    opacity: Floats
    albedo: Floats
    emission: Floats
    before: Floats | None
    after: Floats | None
    frame: GasFrame

    def axes(self) -> Floats:
        """Half axes (n, 3, 3) [m]."""
        return self.sigma[:, None, None] * np.eye(3, dtype=np.float32)


def gas_splats(
    shot: Shot, here: GasFrame, before: GasFrame | None, after: GasFrame | None
) -> GasSplats:
    """Make the Gaussians of a frame; `before` and `after` are the frames around it."""
    gas, h = shot.gas, here.domain.spacing
    flame = flame_extinction(here.heat, gas)
    blocks = split_blocks(here.smoke, flame, h, gas.looks.splats)
    smoke, glow = blocks.mean(here.smoke), blocks.mean(flame)
    thick = np.maximum(smoke + glow, 1e-9)
    # The colour and the light of a block are those of its parts, by how much each part shows.
    tint = here.color if here.color.size else np.asarray(_only_color(shot), np.float32)
    albedo = blocks.mean(here.smoke[..., None] * tint) / thick[:, None]
    emission = blocks.mean(flame[..., None] * flame_radiance(here.heat, gas)) / thick[:, None]
    width = blocks.edge * np.float32(h)
    depth = thick * width / np.float32(2 * np.pi * SIGMA**2)
    opacity = -np.expm1(-depth)
    seen = opacity > UNSEEN
    mean = (blocks.middle[seen] * h + np.asarray(here.domain.origin)).astype(np.float32)
    seconds = 1 / shot.frames.fps
    return GasSplats(
        mean=mean,
        sigma=(SIGMA * width[seen]).astype(np.float32),
        opacity=opacity[seen].astype(np.float32),
        albedo=albedo[seen],
        emission=emission[seen],
        before=None if before is None else moved(mean, here, before, -seconds),
        after=None if after is None else moved(mean, here, after, seconds),
        frame=here,
    )


def moved(points: Floats, here: GasFrame, other: GasFrame, seconds: float) -> Floats:
    """Where points (n, 3) [m] are when it is the other frame: by the mean of both velocities."""
    way = np.zeros_like(points)
    for frame in (here, other):
        u = face_field(frame.domain)
        u.from_numpy(frame.velocity)
        if len(points):
            way += (traced(frame.domain, u, points, seconds) - points) / 2
    return points + way


def flame_extinction(heat: Floats, gas: Gas) -> Floats:
    """Extinction [1/m] of glowing soot: none below `glow`, all of it at the flame's temperature."""
    looks = gas.looks
    span = max(gas.flame_temperature - looks.glow, 1.0)
    return np.asarray(looks.flame_density * np.clip((heat - looks.glow) / span, 0, 1), np.float32)


def flame_radiance(heat: Floats, gas: Gas) -> Floats:
    """Radiance (…, 3) of glowing soot `heat` K above the air, linear Rec.709.

    The hue is the black body's (Planck's law at three wavelengths, against daylight); the strength
    falls as the fourth power of the temperature, as a black body's light as a whole does: what an
    eye would see falls so fast that a picture could not show it.
    """
    kelvin = np.maximum(heat + AMBIENT, 500.0)
    share = (kelvin / (gas.flame_temperature + AMBIENT)) ** 4 * gas.looks.flame_brightness
    red = _planck(RED, kelvin)
    hue = [np.ones_like(red), _planck(GREEN, kelvin) / red, _planck(BLUE, kelvin) / red]
    return np.asarray(np.stack(hue, axis=-1) * share[..., None], np.float32)


def _planck(wavelength: float, kelvin: Floats) -> Floats:
    """How much brighter than daylight's a black body is at a wavelength."""
    daylight = np.expm1(PLANCK / (wavelength * DAYLIGHT))
    return np.asarray(daylight / np.expm1(PLANCK / (wavelength * kelvin)), np.float32)


def _only_color(shot: Shot) -> tuple[float, float, float]:
    return shot.emitters[0].color


@dataclass(frozen=True)
class Blocks:
    """Blocks of cells that cover a grid: `corner` (n, 3) and `edge` (n,) in cells."""

    corner: NDArray[np.int64]
    edge: NDArray[np.int64]

    @property
    def middle(self) -> NDArray[np.float64]:
        return self.corner + self.edge[:, None] / 2

    def mean(self, values: Floats) -> Floats:
        """The mean (n, …) over each block of values (nx, ny, nz, …); beyond the grid it is 0."""
        result = np.zeros((len(self.edge), *values.shape[3:]), np.float32)
        current, edge = padded(values), 1
        while edge <= COARSEST:
            mine = self.edge == edge
            result[mine] = current[tuple(self.corner[mine].T // edge)]
            current, edge = halved(current), 2 * edge
        return result


def split_blocks(smoke: Floats, flame: Floats, spacing: float, most: int) -> Blocks:
    """Choose at most `most` blocks that hold something; see above."""
    optical = (smoke + flame) * np.float32(spacing)
    # What is bright counts by how much it shows, not by how much it hides.
    value = padded(optical + 2 * flame * np.float32(spacing))
    levels = [value]
    squares = [value**2]
    while 2 ** (len(levels) - 1) < COARSEST:
        levels.append(halved(levels[-1]))
        squares.append(halved(squares[-1]))
    spread = [
        np.sqrt(np.maximum(square - level**2, 0))
        for level, square in zip(levels, squares, strict=True)
    ]
    limit = SHARP
    while True:
        blocks = _split(levels, spread, limit)
        if len(blocks.edge) <= most:
            return blocks
        limit *= 1.4
        if limit > 1e6:  # even the coarsest are too many: the faintest go
            weight = blocks.mean(optical) * blocks.edge
            kept = np.sort(np.argsort(-weight, kind="stable")[:most])
            return Blocks(blocks.corner[kept], blocks.edge[kept])


def _split(levels: list[Floats], spread: list[Floats], limit: float) -> Blocks:
    corners, edges = [], []
    wanted = np.ones(levels[-1].shape, bool)
    for level in range(len(levels) - 1, -1, -1):
        edge = 2**level
        wanted = wanted & (levels[level] > 0)
        coarse = wanted & (spread[level] * edge <= limit) if level else wanted
        depth = levels[level] * np.float32(edge / (2 * np.pi * SIGMA**2))
        corner = np.argwhere(coarse & (depth > UNSEEN / 2)) * edge
        corners.append(corner)
        edges.append(np.full(len(corner), edge))
        wanted = wanted & ~coarse
        for axis in range(3):
            wanted = np.repeat(wanted, 2, axis=axis) if level else wanted
    return Blocks(np.concatenate(corners), np.concatenate(edges))


def padded(values: Floats) -> Floats:
    """Values (nx, ny, nz, …), with zeros up to whole blocks of the coarsest size."""
    ends = [(0, -n % COARSEST) for n in values.shape[:3]] + [(0, 0)] * (values.ndim - 3)
    return np.pad(values, ends)


def halved(values: Floats) -> Floats:
    """The means over 2 x 2 x 2 cells."""
    x, y, z = (n // 2 for n in values.shape[:3])
    cells = values[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2, *values.shape[3:])
    return np.asarray(cells.mean(axis=(1, 3, 5)), np.float32)
