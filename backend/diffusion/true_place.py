"""Move a finished picture by what whole latent cells could not take; after motioncraft's decoding.

Between frames noise moves by whole cells, so content lies up to half a cell (4 px of 8) from where
it truly is, and a slow pan would stand still and jump. How far is known (latent_motion's residual):
the latents stay as they are, and the picture alone is sampled anew, once, so that nothing adds up.
"""

import torch
from torch.nn.functional import grid_sample

from .latent_motion import ALIKE, Floats

REACH = 2
"Cells round a pixel in which the content that truly lies there is looked for."
ROUNDS = 10
"Of the damped iteration that turns the residuals' map round: each leaves a half or less."


def to_true_place(
    picture: torch.Tensor, residual: Floats, motion: Floats, factor: int
) -> torch.Tensor:
    """Return a picture (B, C, H, W) with each cell's content moved by `residual` (h, w, 2) cells.

    `residual` is how far (column, row) from its cell's centre content truly is, `motion` (h, w, 2)
    the cells' last motion, which tells the surfaces apart; `factor` pixels make a cell, and H and W
    are h and w of them. A pixel shows the surface whose true place is nearest, the residuals in
    between interpolated: a surface stretches where cells were left out and is whole where some came
    twice, and is torn from its neighbours. What lies beyond the frame is mirrored. ValueError where
    the sizes differ.
    """
    height, width = picture.shape[-2:]
    h, w = residual.shape[:2]
    if (h * factor, w * factor) != (height, width):
        raise ValueError(f"expected {height // factor} x {width // factor} cells, got {h} x {w}")
    if not residual.any():
        return picture
    device = picture.device
    cells = torch.cat([torch.as_tensor(f, device=device) for f in (residual, motion)], -1)
    x, y = ((torch.arange(n, device=device) + 0.5) / factor - 0.5 for n in (width, height))
    place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (H, W, 2) in cells
    own = _nearest(cells, place)
    source = place - own[..., :2]
    for _ in range(ROUNDS):
        source = source + (place - _blended(cells, source, own) - source) / 2
    # grid_sample's -1 and 1 are the outer edges of the first and the last cell.
    grid = (2 * source + 1) / torch.tensor([w, h], device=device) - 1
    return grid_sample(
        picture, grid.expand(len(picture), -1, -1, -1).to(picture.dtype),
        mode="bicubic", padding_mode="reflection", align_corners=False,
    )  # fmt: skip


def _nearest(cells: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The cell (H, W, 4) whose content truly lies nearest to each place (H, W, 2)."""
    base = place.round()
    best = torch.zeros((*place.shape[:2], cells.shape[-1]), device=place.device)
    least = torch.full(place.shape[:2], torch.inf, device=place.device)
    for row in range(-REACH, REACH + 1):
        for column in range(-REACH, REACH + 1):
            cell = base + torch.tensor([column, row], device=place.device)
            there = _at(cells, cell)
            miss = (cell + there[..., :2] - place).square().sum(-1)
            nearer = miss < least
            best = torch.where(nearer[..., None], there, best)
            least = torch.where(nearer, miss, least)
    return best


def _blended(cells: torch.Tensor, at: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """The residual interpolated at places (H, W, 2), between cells that move like `own` alone."""
    low = at.floor()
    share = at - low
    tolerance = ALIKE * (1 + own[..., 2:].norm(dim=-1, keepdim=True))
    faint = 1e-6  # of its own residual: no cell round the place may move alike
    total, weights = faint * own[..., :2], torch.full_like(own[..., :1], faint)
    for row in (0, 1):
        for column in (0, 1):
            step = torch.tensor([column, row], device=at.device)
            there = _at(cells, low + step)
            weight = torch.where(step.bool(), share, 1 - share).prod(-1, keepdim=True)
            apart = (there - own)[..., 2:].norm(dim=-1, keepdim=True)
            weight = weight * (apart <= tolerance)
            total = total + weight * there[..., :2]
            weights = weights + weight
    return total / weights


def _at(field: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The field (h, w, n) at whole places (…, 2); beyond the frame that of its edge."""
    column = place[..., 0].long().clamp(0, field.shape[1] - 1)
    row = place[..., 1].long().clamp(0, field.shape[0] - 1)
    return field[row, column]
