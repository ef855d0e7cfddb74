"""All-pairs correlation of two feature maps and its lookup; used by flow_network.FlowNetwork.

Source: RAFT (arXiv 2003.12039), section 3.2 and, for the form that keeps no volume, its paragraph
on efficient computation for high-resolution images.

The volume of an image of h x w cells (an eighth of its pixels each way) takes 4/3 (h w)^2 floats:
22 MB for 512 x 512 px, 358 MB for 1024 x 1024. Above VOLUME_LIMIT bytes for a batch nothing of it
is kept: each lookup computes it again, CHUNK_LIMIT bytes at a time, and so does the backward pass.
Pooling and sampling are linear in the second image's features, so both ways give the same numbers.
"""

import torch
from torch.nn.functional import avg_pool2d, grid_sample
from torch.utils.checkpoint import checkpoint

LEVELS = 4
VOLUME_LIMIT = 512 * 2**20
CHUNK_LIMIT = 128 * 2**20


class Correlation:
    """The correlations of `first` with `second`, both (B, C, h, w), at LEVELS scales.

    They are computed in float32 whatever the features come in: half precision would overflow.
    Both sides must be at least 2^(LEVELS - 1) cells.
    """

    def __init__(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        radius: int,
        *,
        volume_limit: int = VOLUME_LIMIT,
        chunk_limit: int = CHUNK_LIMIT,
    ) -> None:
        self.radius = radius
        batch, channels, self.height, self.width = first.shape
        cells = self.height * self.width
        # (B, h w, C): one row for each place of the first image
        self.first = first.float().flatten(2).transpose(1, 2) / channels**0.5
        self.second = [second.float()]
        for _ in range(LEVELS - 1):
            self.second.append(avg_pool2d(self.second[-1], 2))
        row = 4 * batch * sum(level.shape[2] * level.shape[3] for level in self.second)
        self.volume: list[torch.Tensor] | None = None
        if row * cells <= volume_limit:
            self.volume = volume_of(self.first, self.second)
        self.chunk = max(1, chunk_limit // row)

    def lookup(self, place: torch.Tensor) -> torch.Tensor:
        """Correlations around where each cell is in the second image.

        `place` is (B, 2, h, w), x then y in cells. Returns (B, LEVELS (2 radius + 1)^2, h, w): by
        level, then by column, then by row of the window. Outside the image it is zero.
        """
        points = place.float().flatten(2).transpose(1, 2)  # (B, h w, 2)
        if self.volume is not None:
            found = sample_windows(self.volume, points, self.radius)
        else:
            pieces = []
            for start in range(0, points.shape[1], self.chunk):
                part = slice(start, start + self.chunk)
                pieces.append(
                    checkpoint(
                        self._lookup_again,
                        self.first[:, part],
                        points[:, part],
                        *self.second,
                        use_reentrant=False,
                    )
                )
            found = torch.cat(pieces, dim=1)
        return found.transpose(1, 2).reshape(len(found), -1, self.height, self.width)

    def _lookup_again(
        self, first: torch.Tensor, points: torch.Tensor, *second: torch.Tensor
    ) -> torch.Tensor:
        return sample_windows(volume_of(first, list(second)), points, self.radius)


def volume_of(first: torch.Tensor, second: list[torch.Tensor]) -> list[torch.Tensor]:
    """Correlations of rows (B, n, C) with maps (B, C, h, w): (B, n, h, w) for each map."""
    with torch.autocast(first.device.type, enabled=False):
        return [
            (first @ level.flatten(2)).reshape(*first.shape[:2], *level.shape[2:])
            for level in second
        ]


def sample_windows(volume: list[torch.Tensor], points: torch.Tensor, radius: int) -> torch.Tensor:
    """Sample each (h, w) of `volume` around its point: (B, n, levels (2 radius + 1)^2).

    `points` is (B, n, 2), x then y in cells of the first level.
    """
    batch, count, _ = points.shape
    steps = torch.arange(-radius, radius + 1, device=points.device, dtype=points.dtype)
    # The published weights count the window by columns: x changes with the slower index.
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)
    found = []
    for level, maps in enumerate(volume):
        height, width = maps.shape[2:]
        around = points.reshape(batch * count, 1, 1, 2) / 2**level + window
        # Normalised so that one cell is enough: with corners aligned, a width of 1 divides by zero.
        scale = torch.tensor([width, height], device=points.device, dtype=points.dtype)
        grid = (2 * around + 1) / scale - 1
        sampled = grid_sample(
            maps.reshape(batch * count, 1, height, width), grid, align_corners=False
        )
        found.append(sampled.reshape(batch, count, -1))
    return torch.cat(found, dim=2)
