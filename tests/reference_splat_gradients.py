"""Slow torch twin of the differentiable rasteriser: dense, float64, gradients by autograd.

Every splat is blended over every pixel, by matrix algebra; only what the tests compare is here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from impetus.backend.splatting.gradients import Camera, Images

DILATION, SURFACE, STOP, CAP, LEAST = 0.3, 0.2, 1e-4, 0.999, 1 / 255


@dataclass(frozen=True)
class Twin:
    """Images, and `fragile` (h, w): pixels where a threshold hangs on the last bits."""

    images: Images
    fragile: Tensor


def twin_render(
    mean: Tensor,
    axes: Tensor,
    color: Tensor,
    opacity: Tensor,
    camera: Camera,
    antialias: bool = False,
) -> Twin:
    y, x = torch.meshgrid(
        torch.arange(camera.height, dtype=torch.float64) + 0.5,
        torch.arange(camera.width, dtype=torch.float64) + 0.5,
        indexing="ij",
    )
    rotation = camera.camera_to_world[:3, :3].T
    local = (mean - camera.camera_to_world[:3, 3]) @ rotation.T
    light = torch.ones_like(x)
    surface, deep, total = torch.zeros_like(x), torch.zeros_like(x), torch.zeros(*x.shape, 3)
    total = total.double()
    fragile = torch.zeros_like(x, dtype=torch.bool)
    for i in torch.argsort(local[:, 2].detach().float(), stable=True).tolist():
        p = local[i]
        if not camera.near <= p[2] <= camera.far or opacity[i] < LEAST:
            continue
        focal, center = camera.intrinsics[:2], camera.intrinsics[2:]
        place, d = (p[:2], None) if camera.orthographic else (p[:2] / p[2], p[2])
        offset = torch.stack([x, y], -1) - (place * focal + center)
        own = rotation @ axes[i]
        b = jacobian(held(place, camera), d, focal) @ own
        blurred = b @ b.T + DILATION * torch.eye(2)
        fall = torch.einsum("...i,ij,...j->...", offset, torch.linalg.inv(blurred), offset)
        a = opacity[i].clamp(max=1) * torch.exp(-0.5 * fall)
        if antialias:
            a = a * torch.sqrt(torch.linalg.det(b @ b.T) / torch.linalg.det(blurred))
        taken = (a.detach() >= LEAST) & (light.detach() >= STOP)
        w = torch.where(taken, a.clamp(max=CAP) * light, 0.0)
        fragile |= (light > 1e-3) & ((a / LEAST - 1).abs() < 1e-3)
        fragile |= taken & ((light - SURFACE).abs() < 1e-4)
        fragile |= taken & ((a - CAP).abs() < 1e-5)
        fragile |= (light - STOP).abs() < 1e-6
        g = torch.where(light.detach() >= SURFACE, w, 0.0)
        z, edge = depth_inside(p, own, focal, offset, camera.orthographic)
        fragile |= (g > 0) & edge
        surface, deep = surface + g, deep + g * z
        total = total + w[..., None] * color[i]
        light = light - w
    alpha = 1 - light
    seen = alpha.detach() > 0
    depth = torch.where(seen, deep / torch.where(seen, surface, 1.0), torch.inf)
    return Twin(Images(total, alpha, depth), fragile.detach())


def depth_inside(
    p: Tensor, own: Tensor, focal: Tensor, offset: Tensor, orthographic: bool
) -> tuple[Tensor, Tensor]:
    """z by regression of 1/z on the pixel, held at four sigma and a pixel and within 4 times.

    Of z itself where rays are parallel. And where it is on the edge of being held: the slope jumps
    there.
    """
    place, d = (p[:2], None) if orthographic else (p[:2] / p[2], p[2])
    b = jacobian(place, d, focal) @ own
    s = b @ b.T
    gain = b.T @ torch.linalg.inv(s + (1e-4 + 1e-7 * torch.trace(s)) * torch.eye(2))
    slope = own[2] if orthographic else -own[2] / p[2] ** 2
    w, along = p[2] if orthographic else 1 / p[2], slope @ gain
    spread = 4 * slope.norm() + along.norm()
    low, high = torch.maximum(w - spread, w / 4).detach(), torch.minimum(w + spread, 4 * w).detach()
    free = w + offset @ along
    edge = torch.minimum((free - low).abs(), (free - high).abs()) < 1e-5 * w
    kept = torch.minimum(torch.maximum(free, low), high)
    return kept if orthographic else 1 / kept, edge


def jacobian(ray: Tensor, depth: Tensor | None, focal: Tensor) -> Tensor:
    zero = torch.zeros_like(focal[0])
    if depth is None:  # rays are parallel
        return torch.stack(
            [torch.stack([focal[0], zero, zero]), torch.stack([zero, focal[1], zero])]
        )
    row_x = torch.stack([focal[0] / depth, zero, -focal[0] * ray[0] / depth])
    row_y = torch.stack([zero, focal[1] / depth, -focal[1] * ray[1] / depth])
    return torch.stack([row_x, row_y])


def held(ray: Tensor, camera: Camera) -> Tensor:
    """The ray inside 1.3 times the view, whose bounds are constants."""
    focal, center = camera.intrinsics.detach()[:2], camera.intrinsics.detach()[2:]
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    margin = 0.15 * size / focal
    return torch.minimum(
        torch.maximum(ray, -center / focal - margin), (size - center) / focal + margin
    )
