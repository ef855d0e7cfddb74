"""Gradients of the rasteriser against autograd through the slow torch twin."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from impetus.backend.splatting.gradients import Camera, Images, render
from impetus.backend.splatting.shapes import axes_of_covariances, axes_of_turns
from impetus.kernels.splats.project import project
from impetus.kernels.splats.project_gradient import project_gradient

from .reference_splat_gradients import twin_render
from .splat_cases import KINDS, backed, random_splats

TOLERANCE = 1e-3
NAMES = ("mean", "axes", "color", "opacity", "camera_to_world", "intrinsics")


def scene(kind: str, seed: int, count: int = 40) -> tuple[list[Tensor], Any]:
    """The six tensors that gradients are asked for, float64, and the view they belong to."""
    case = random_splats(kind, seed, count, (44, 30))
    view, pose = case["view"], case["pose"]
    arrays = (pose.mean, pose.axes, case["color"], case["opacity"])
    lens = (view.camera_to_world, view.intrinsics)
    # The same single precision numbers on both sides: only the arithmetic differs.
    tensors = [torch.tensor(np.asarray(a), dtype=torch.float64) for a in (*arrays, *lens)]
    return [tensor.requires_grad_() for tensor in tensors], view


def camera_of(tensors: list[Tensor], view: Any) -> Camera:
    size = (view.width, view.height)
    return Camera(tensors[4], tensors[5], *size, view.near, view.far, view.orthographic)


def loss(images: Images, weights: Tensor, certain: Tensor) -> Tensor:
    stacked = torch.cat([images.color, images.alpha[..., None]], -1).double()
    depth = torch.where(torch.isfinite(images.depth), images.depth, 0.0).double()
    total = (stacked * weights[..., :4] * certain[..., None]).sum()
    return total + (depth * weights[..., 4] * certain).sum()


CASES = [(kind, seed, False) for kind in KINDS for seed in (0, 1)]
CASES += [("tiny", 2, True), ("overlaps", 2, True)]


@pytest.mark.parametrize(("kind", "seed", "antialias"), CASES)
def test_gradients_are_the_twins(kind: str, seed: int, antialias: bool) -> None:
    tensors, view = scene(kind, seed)
    twin = twin_render(*tensors[:4], camera_of(tensors, view), antialias)
    certain = (~twin.fragile).double()
    assert certain.mean() > 0.9
    weights = torch.randn(view.height, view.width, 5, dtype=torch.float64,
                          generator=torch.Generator().manual_seed(seed))  # fmt: skip
    expected = torch.autograd.grad(loss(twin.images, weights, certain), tensors, allow_unused=True)
    ours = render(*tensors[:4], camera_of(tensors, view), antialias=antialias)
    found = torch.autograd.grad(loss(ours, weights, certain), tensors)
    for name, mine, theirs in zip(NAMES, found, expected, strict=True):
        theirs = torch.zeros_like(mine) if theirs is None else theirs
        error = (mine - theirs).norm() / (theirs.norm() + 1e-12)
        assert error < TOLERANCE or mine.norm() == theirs.norm() == 0, (name, float(error))


def test_shapes_pass_gradients_on() -> None:
    """Scale and turn, and covariance, against the same splats' images shifted by small steps."""
    generator = torch.Generator().manual_seed(3)
    scale = (
        0.2 + 0.1 * torch.rand(6, 3, generator=generator, dtype=torch.float64)
    ).requires_grad_()
    turn = torch.randn(6, 4, generator=generator, dtype=torch.float64).requires_grad_()
    tensors, view = scene("overlaps", 0, 6)
    camera = camera_of(tensors, view)
    ones = torch.ones(view.height, view.width, 5, dtype=torch.float64)
    ones[..., 4] = 0

    def through(axes: Tensor) -> Tensor:
        images = render(tensors[0], axes, tensors[2], tensors[3], camera)
        return loss(images, ones, ones[..., 0])

    axes = axes_of_turns(scale, turn)
    by_turn = torch.autograd.grad(through(axes), (scale, turn), retain_graph=True)
    twin = twin_render(tensors[0], axes, tensors[2], tensors[3], camera)
    expected = torch.autograd.grad(loss(twin.images, ones, ones[..., 0]), (scale, turn))
    for mine, theirs in zip(by_turn, expected, strict=True):
        assert (mine - theirs).norm() < TOLERANCE * theirs.norm()
    covariance = (axes @ axes.mT).detach().requires_grad_()
    mine = torch.autograd.grad(through(axes_of_covariances(covariance)), covariance)[0]
    twin = twin_render(tensors[0], axes_of_covariances(covariance), *tensors[2:4], camera)
    theirs = torch.autograd.grad(loss(twin.images, ones, ones[..., 0]), covariance)[0]
    assert (mine - theirs).norm() < TOLERANCE * theirs.norm()


def test_the_same_splats_give_the_same_gradients() -> None:
    tensors, view = scene("overlaps", 4, 2000)
    weights = torch.ones(view.height, view.width, 5, dtype=torch.float64)
    found = [
        torch.autograd.grad(
            loss(render(*tensors[:4], camera_of(tensors, view)), weights, weights[..., 0]), tensors
        )
        for _ in range(2)
    ]
    for first, second in zip(*found, strict=True):
        assert torch.equal(first, second)


def test_gradients_are_refused_to_what_is_drawn_back() -> None:
    case = random_splats("flat", 0, 3)
    pose, look = case["pose"], {name: case[name] for name in ("color", "opacity")}
    projected = project(pose, case["view"], **look)
    owed = np.zeros_like(projected.record)
    with pytest.raises(ValueError, match="without backing"):
        project_gradient(
            backed(pose), case["view"], case["opacity"], projected=projected, gradient=owed
        )


def test_an_empty_scene_has_gradients_of_zero() -> None:
    tensors, view = scene("faint", 0, 5)
    tensors[0] = (tensors[0].detach() + torch.tensor([0.0, 0.0, -30.0])).requires_grad_()
    images = render(*tensors[:4], camera_of(tensors, view))
    assert torch.isinf(images.depth).all()
    (images.color.sum() + images.alpha.sum()).backward()
    assert not any(tensor.grad.any() for tensor in tensors)  # type: ignore[union-attr]


def test_a_fit_by_gradients_finds_the_splat_that_made_the_picture() -> None:
    """Descent on place, size, colour and camera alike: the use that gradients have."""
    tensors, view = scene("overlaps", 5, 1)
    mean = torch.tensor([[0.2, -0.1, 0.0]])
    axes, color, opacity = 0.3 * torch.eye(3)[None], torch.tensor([[0.9, 0.2, 0.4]]), torch.ones(1)
    camera = camera_of([tensor.detach() for tensor in tensors], view)
    target = render(mean, axes, color, 0.8 * opacity, camera)
    place = (mean + torch.tensor([[0.15, 0.1, 0.0]])).requires_grad_()
    size, tint = torch.tensor(0.2, requires_grad=True), torch.full((1, 3), 0.5, requires_grad=True)
    descent = torch.optim.Adam([place, size, tint], lr=0.02)
    for _ in range(150):
        descent.zero_grad()
        made = render(place, size * torch.eye(3)[None], tint, 0.8 * opacity, camera)
        error = ((made.color - target.color) ** 2).mean()
        error = error + ((made.alpha - target.alpha) ** 2).mean()
        error.backward()
        descent.step()
    # It began 0.15 m away.
    assert (place - mean)[0, :2].abs().max() < 0.015
    assert float(tint.detach().sub(color).abs().max()) < 0.02
