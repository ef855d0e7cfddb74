"""Splats that LGM sees in four views of an object, in body space."""

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.functional import normalize, softplus

from ....contract.errors import LiftError
from ...takes.picture import decode_srgb
from ..lattice import bounds_of
from ..picture import Floats, Picture
from ..seen import Seen
from ..splats import Splats
from .network import Network
from .views import RADIUS, TO_BODY, framed, network_input, read_views

FAINTEST = 0.005
"Opacity below which a splat is left out, as LGM does when it writes."
THINNEST = 1e-4


def lgm_splats(
    network: Network, picture: Picture, mask: Floats, others: list[Path], *, length: float
) -> tuple[Splats, Seen]:
    """Return splats in body space, and the camera that saw the picture.

    `others` are three views: from the object's left side round to its right, at azimuths of 90, 180
    and 270 degrees, as multi-view models make them of the picture's object with a border of a
    fifth. `length` in metres is that of the object's longer side. Raises LiftError.
    """
    if len(others) != 3:
        raise LiftError(
            f"Expected three more views for LGM, at 90, 180 and 270 degrees, got {len(others)}.",
            "Make them with a multi-view model.",
        )
    front = framed(picture, mask)
    views = network_input([front.image, *read_views(others)])
    weight = network.conv.weight
    with torch.no_grad():
        found = network(views.to(weight.device, weight.dtype)).float().cpu()
    left, top, right, bottom = bounds_of(mask >= 0.5)
    seen = front.seen(picture.size, length, max(right - left, bottom - top))
    return splats_of(found, seen.distance / RADIUS), seen


def splats_of(found: Tensor, metres: float) -> Splats:
    """Return the splats that the network's numbers (views, 14, h, w) stand for.

    `metres` is what one unit of LGM's world is.
    """
    numbers = found.permute(0, 2, 3, 1).reshape(-1, found.shape[1])
    opacity = torch.sigmoid(numbers[:, 3])
    numbers, opacity = numbers[opacity >= FAINTEST], opacity[opacity >= FAINTEST]
    if not len(numbers):
        raise LiftError("Expected LGM to see splats, it saw none.", "Check its views and weights.")
    place = numbers[:, :3].clamp(-1, 1).numpy() @ TO_BODY.T
    scale = (0.1 * softplus(numbers[:, 4:7])).clamp(min=THINNEST).numpy()
    own = Rotation.from_quat(normalize(numbers[:, 7:11], dim=-1).numpy(), scalar_first=True)
    turn = (Rotation.from_matrix(TO_BODY) * own).as_quat(scalar_first=True)
    shown = (0.5 * torch.tanh(numbers[:, 11:]) + 0.5).numpy()
    return Splats(
        (metres * place).astype(np.float32),
        (metres * scale).astype(np.float32),
        turn.astype(np.float32),
        decode_srgb(shown).astype(np.float32),
        opacity.numpy().astype(np.float32),
    )
