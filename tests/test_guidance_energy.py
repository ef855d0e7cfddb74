import pytest
import torch

from impetus.backend.contract.methods import GuidanceTerms
from impetus.backend.diffusion.flow_network import FlowNetwork
from impetus.backend.diffusion.guidance_energy import (
    GuidanceEnergy,
    color_difference,
    enlarge,
    flow_difference,
    look_along,
    recompute,
    zoom_of,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def shifted(picture: torch.Tensor, dx: int, dy: int) -> torch.Tensor:
    return picture.roll((dy, dx), (-2, -1))


def constant_flow(dx: float, dy: float, size: int) -> torch.Tensor:
    return torch.tensor([dx, dy], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, size, size)


def test_looking_along_the_flow_undoes_the_shift() -> None:
    source = noise(1, 3, 12, 12)
    seen = look_along(shifted(source, 3, 2), constant_flow(3, 2, 12))
    torch.testing.assert_close(seen[..., :9, :8], source[..., :9, :8])


def test_what_lies_beyond_the_border_is_mirrored() -> None:
    picture = noise(1, 1, 6, 6)
    seen = look_along(picture, constant_flow(2, 0, 6))
    torch.testing.assert_close(seen[..., 4], picture[..., 4])  # 4 + 2 = 6 mirrors in 5
    torch.testing.assert_close(seen[..., 5], picture[..., 3])


def test_terms_are_means_of_absolute_differences() -> None:
    wanted, found = constant_flow(1, -2, 4), constant_flow(0, 0, 4)
    assert float(flow_difference(wanted, found)) == pytest.approx(1.5)
    source = noise(1, 3, 4, 4)
    seen = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    seen[..., :1] = 1
    # A colour of 0.5 on the scale of [-1, 1] is 0.25 of [0, 1], here in a quarter of all pixels.
    assert float(color_difference(source, source + 0.5, found, seen)) == pytest.approx(0.0625)


def test_gradients_of_the_color_term_reach_picture_and_flow() -> None:
    source, picture = noise(1, 3, 5, 5), noise(1, 3, 5, 5, seed=1).requires_grad_()
    # Off whole pixels, where bilinear sampling has a bend.
    flow = (0.3 + 0.2 * noise(1, 2, 5, 5, seed=2).tanh()).requires_grad_()
    seen = (noise(1, 1, 5, 5, seed=3) > 0).double()

    def energy(p: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        return color_difference(source, p, f, seen)

    assert torch.autograd.gradcheck(energy, (picture, flow), eps=1e-7, atol=1e-6)


class SmoothFlow(torch.nn.Module):
    """A flow that depends smoothly on both pictures, so that differences show its gradient."""

    def estimate(self, first: torch.Tensor, second: torch.Tensor, iterations: int) -> torch.Tensor:
        return 0.37 + 0.1 * torch.tanh(iterations * (second - first)[:, :2])


@pytest.mark.parametrize("by_target", [False, True])
@pytest.mark.parametrize("low_memory", [False, True])
def test_gradient_of_the_energy_is_that_of_finite_differences(
    by_target: bool, low_memory: bool
) -> None:
    terms = GuidanceTerms(target_flow_warp=by_target, flow_iterations=2)
    seen = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    energy = GuidanceEnergy(
        SmoothFlow(), terms, noise(1, 3, 5, 5), constant_flow(0.6, -0.7, 5), seen
    )
    energy.low_memory = low_memory
    picture = noise(1, 3, 5, 5, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: energy(p).total, (picture,), eps=1e-7, atol=1e-5)


def test_small_pictures_are_enlarged_for_the_network() -> None:
    assert [zoom_of(torch.zeros(1, 3, *size)) for size in ((128, 128), (144, 256), (100, 60))] == [
        2, 1, 3,
    ]  # fmt: skip
    picture = torch.nn.functional.interpolate(noise(1, 3, 4, 4), scale_factor=8, mode="bicubic")
    back = torch.nn.functional.avg_pool2d(enlarge(picture, 2), 2)
    assert float((back - picture)[..., 4:-4, 4:-4].abs().mean()) < 0.02


def test_weights_multiply_the_terms() -> None:
    terms = GuidanceTerms(flow_weight=2.0, color_weight=7.0)
    seen = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    energy = GuidanceEnergy(SmoothFlow(), terms, noise(1, 3, 5, 5), constant_flow(1, 0, 5), seen)(
        noise(1, 3, 5, 5, seed=1)
    )
    assert float(energy.total) == pytest.approx(2 * float(energy.flow) + 7 * float(energy.color))


def test_gradient_passes_through_the_flow_network() -> None:
    torch.manual_seed(0)
    network = FlowNetwork("small").eval().requires_grad_(False)
    source, picture = (noise(1, 3, 64, 64, seed=s).tanh().float() for s in (0, 1))
    seen = torch.ones(1, 1, 64, 64)
    terms = GuidanceTerms(color_weight=0.0, flow_iterations=1)
    energy = GuidanceEnergy(network, terms, source, constant_flow(1, 2, 64).float(), seen)
    picture.requires_grad_()
    energy(picture).total.backward()
    gradient = picture.grad
    assert gradient is not None
    direction = gradient / gradient.norm()
    with torch.no_grad():
        step = 0.005
        ahead, behind = (energy(picture + s * direction).total for s in (step, -step))
    rise = float((ahead - behind) / (2 * step))
    assert rise == pytest.approx(float(gradient.norm()), rel=0.03)


def test_recomputation_gives_the_same_gradient() -> None:
    given = noise(3, 4).requires_grad_()
    (direct,) = torch.autograd.grad((given**3).sum(), given)
    (again,) = torch.autograd.grad(recompute(lambda x: x**3, given).sum(), given)
    assert torch.equal(direct, again)
