"""Motion Guidance on random networks: what holds whatever the weights are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from impetus.backend.contract.errors import CancelledError, MemoryShortError, ShotError
from impetus.backend.contract.methods import GuidanceTerms
from impetus.backend.contract.methods import MotionGuidance as Settings
from impetus.backend.diffusion.edit_masks import editable_area
from impetus.backend.diffusion.flow_network import FlowNetwork
from impetus.backend.diffusion.guidance_energy import GuidanceEnergy
from impetus.backend.diffusion.guidance_step import GuidanceStep, resample
from impetus.backend.diffusion.models import (
    DiffusionModel,
    crop,
    open_model,
    pad_to_factor,
    to_image,
    to_tensor,
)
from impetus.backend.diffusion.motion_guidance import MotionGuidance
from impetus.backend.diffusion.sampling import Grid, denoise, invert
from impetus.backend.diffusion.source_latents import invert_source

from .tiny_model import write_model

WIDTH, HEIGHT = 56, 44  # no multiple of the latent cell in height
QUICK: dict[str, Any] = {
    "steps": 5, "recursions": 2, "dilation": 3.0, "terms": GuidanceTerms(flow_iterations=1),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DiffusionModel:
    torch.set_num_threads(1)
    return open_model(write_model(tmp_path_factory.mktemp("models") / "random"), device="cpu")


@pytest.fixture(scope="module")
def network() -> FlowNetwork:
    torch.manual_seed(0)
    return FlowNetwork("small").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([60 + 2 * x, 200 - 3 * y, 90 + 0 * x], -1)
    image[10:22, 8:20] = 230, 220, 40
    return image.astype(np.uint8)


def shift(dx: float, dy: float) -> np.ndarray:
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[10:22, 8:20] = dx, dy
    return flow


FLOW = shift(12, 4)


def guide(
    model: DiffusionModel,
    network: FlowNetwork,
    check: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
    *,
    seed: int = 7,
    **changes: Any,
) -> MotionGuidance:
    settings = Settings(**{**QUICK, **changes})
    return MotionGuidance(model, network, settings, (WIDTH, HEIGHT), seed, check, progress)


def test_frozen_pixels_are_the_sources_and_the_rest_changes(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    edit = guide(model, network).edit(picture, FLOW)
    area = editable_area(FLOW, np.any(FLOW != 0, axis=-1), dilation=3)
    assert edit.shape == picture.shape
    assert (edit[~area] == picture[~area]).all()
    assert (edit[area] != picture[area]).mean() > 0.5


def test_a_killed_edit_goes_on_to_the_same_bytes(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    states: list[dict[str, np.ndarray]] = []
    whole = guide(model, network).edit(picture, FLOW, on_state=states.append)
    assert [int(state["step"]) for state in states] == [1, 2, 3, 4, 5]
    for state in states:
        assert (guide(model, network).edit(picture, FLOW, state=state) == whole).all()
    other = guide(model, network, seed=8).edit(picture, FLOW)
    assert (other != whole).any()


def test_the_inversion_of_another_edit_of_the_source_serves_again(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    states: list[dict[str, np.ndarray]] = []
    guide(model, network).edit(picture, FLOW, on_state=states.append)
    counts: list[int] = []
    again = guide(model, network, progress=lambda done, of: counts.append(done))
    known = {"source": states[0]["source"]}
    edit = again.edit(picture, shift(3, 9), state=known)
    assert counts == [6, 7, 8, 9, 10]
    assert (edit == guide(model, network).edit(picture, shift(3, 9))).all()


def test_cancelled_between_two_recursions(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 1 + 5 + 3:  # encoding, inversion, then the third recursion
            raise CancelledError("Stopped.")

    guidance = guide(model, network, check)
    with pytest.raises(CancelledError):
        guidance.edit(picture, FLOW)
    assert len(guidance.log.energies) == 2


def test_progress_counts_inversion_and_steps(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    told: list[tuple[int, int]] = []
    guide(model, network, progress=lambda *p: told.append(p)).edit(picture, FLOW)
    assert told == [(n, 10) for n in range(5)] + [(n, 10) for n in range(6, 11)]


def test_without_guidance_it_is_inversion_and_sampling(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    guidance = guide(model, network, weight=0.0, recursions=1, edit_mask=False, prompt="a box")
    edit = guidance.edit(picture, FLOW)
    grid = Grid(model.alphas_cumprod, 5)
    text, nothing = model.embed(["a box"]), model.embed([""])
    with torch.no_grad():
        z0 = model.encode(pad_to_factor(to_tensor(picture)))
        noisy = invert(model, grid, z0, text)
        z = denoise(model, grid, noisy, text, guidance=7.5, negative=nothing)
        expected = to_image(crop(model.decode(z), (WIDTH, HEIGHT)))
    assert (edit == expected).all()


def test_guidance_lowers_the_energy(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    """Of colours along the wanted flow: that of a random network is no smooth hill to descend."""
    terms = GuidanceTerms(flow_weight=0.0, target_flow_warp=True, flow_iterations=1)

    def energy(**changes: Any) -> float:
        guidance = guide(
            model, network, terms=terms, gradient="estimate", steps=10, recursions=1, **changes
        )
        guidance.edit(picture, FLOW)
        return guidance.log.energies[-1][0]

    # More recursions help a trained network alone: noise that is added anew must be taken away.
    assert energy(weight=30.0) < 0.96 * energy(weight=1e-9)


def test_nothing_that_moves_leaves_the_source(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    guidance = guide(model, network)
    nothing = np.zeros((HEIGHT, WIDTH), np.bool_)
    assert (guidance.edit(picture, 0 * FLOW) == picture).all()
    assert (guidance.edit(picture, 0 * FLOW, editable=nothing) == picture).all()


@pytest.mark.parametrize("gradient", ["full", "conditional", "estimate"])
@pytest.mark.parametrize("decoder", ["full", "tiny"])
def test_every_fast_way_edits(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, gradient: Any, decoder: Any
) -> None:
    guidance = guide(
        model, network, gradient=gradient, decoder=decoder, hard_warp_start=0.6, recursions=1
    )
    edit = guidance.edit(picture, FLOW)
    assert len(guidance.log.energies) == 3  # of 5 steps, 3 lie below 0.6
    assert guidance.log.skipped == 0
    assert (edit != picture).any()


@pytest.mark.parametrize(("move", "differ"), [((1, 1), False), ((12, 4), True)])
def test_what_was_moved_keeps_its_own_noise(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, move: Any, differ: bool
) -> None:
    """Without a hole as large as a latent cell there is nothing to draw; with one there is."""
    ways = {"hard_warp_start": 0.6, "recursions": 1, "weight": 0.0, "carry_detail": False}
    edits = [guide(model, network, seed=n, **ways).edit(picture, shift(*move)) for n in (1, 2)]
    assert (edits[0] != edits[1]).any() == differ


def test_low_memory_changes_no_byte(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    plain = guide(model, network).edit(picture, FLOW)
    guidance = guide(model, network, low_memory=True)
    try:
        assert (guidance.edit(picture, FLOW) == plain).all()
    finally:
        model.unet.disable_gradient_checkpointing()
        model.vae.disable_gradient_checkpointing()
    assert guidance.log.low_memory


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("expected \\(44, 56, 2\\)", {"flow": np.zeros((56, 44, 2))}),
        ("finite numbers", {"flow": np.full((HEIGHT, WIDTH, 2), np.nan)}),
        ("expected \\(44, 56, 3\\)", {"source": np.zeros((44, 55, 3), np.uint8)}),
        ("may change", {"editable": np.zeros((HEIGHT, WIDTH), np.bool_)}),
        ("expected \\(44, 56\\)", {"editable": np.ones((5, 7), np.bool_)}),
    ],
)
def test_bad_input_is_told_before_any_network(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, what: str, given: Any
) -> None:
    def check() -> None:
        raise AssertionError("a network was about to run")

    arguments = {"source": picture, "flow": FLOW, **given}
    with pytest.raises(ShotError, match=what):
        guide(model, network, check).edit(**arguments)


def test_too_little_noise_for_any_step_is_told(model: DiffusionModel, network: FlowNetwork) -> None:
    with pytest.raises(ShotError, match="leave none"):
        guide(model, network, hard_warp_start=0.01)


def test_schedule_is_stretched_over_all_steps() -> None:
    assert resample((1.0,), 4, 4) == [1.0] * 4
    assert resample((1.0, 0.0), 5, 5) == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert resample((1.0, 0.0), 5, 2) == pytest.approx([0.25, 0])  # the end of it, not the head
    assert resample(tuple(range(500)), 2, 2) == [0, 499]


def make_step(
    model: DiffusionModel,
    network: FlowNetwork,
    picture: np.ndarray,
    decode: Callable[[torch.Tensor], torch.Tensor] | None = None,
    **changes: Any,
) -> tuple[GuidanceStep, torch.Tensor]:
    """Return a step for the upper 40 rows of the picture, and a latent to guide."""
    source = to_tensor(picture[:40])
    flow = torch.from_numpy(FLOW[:40]).permute(2, 0, 1)[None]
    energy = GuidanceEnergy(
        network, GuidanceTerms(flow_iterations=1), source, flow, torch.ones(1, 1, 40, WIDTH)
    )
    z0 = model.encode(source)
    step = GuidanceStep(model, Settings(**changes), energy, decode or model.decode, z0)
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(1))
    return step, 0.7 * z0 + 0.7 * noise


GRID = Grid(torch.linspace(0.999, 0.01, 1000, dtype=torch.float64), 10)


@pytest.mark.parametrize("gradient", ["full", "estimate"])
def test_the_push_is_the_gradient_of_the_energy(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, gradient: Any
) -> None:
    step, z = make_step(model, network, picture, gradient=gradient, clip=0.0, weight=1.0)
    t = GRID.timesteps[4]
    root = (1 - GRID.alpha(t)) ** 0.5
    size = z.numel() / (4 * 64 * 64)
    text, negative = model.embed([""]), model.embed([""])

    def noise_at(at: torch.Tensor) -> torch.Tensor:
        without = model.predict(at, t, negative)
        return without + 7.5 * (model.predict(at, t, text) - without)

    with torch.no_grad():
        plain = noise_at(z)
        push = step(GRID, 4, z, 1.0).epsilon - plain
        way = push / push.norm()
        held = plain if gradient == "estimate" else None

        def energy(at: torch.Tensor) -> float:
            epsilon = noise_at(at) if held is None else held
            clean = (at - root * epsilon) / GRID.alpha(t) ** 0.5
            return float(step.energy(model.decode(clean)).total)

        rise = (energy(z + 0.004 * way) - energy(z - 0.004 * way)) / 0.008
    assert float(push.norm()) == pytest.approx(root * size * rise, rel=0.05)


def test_the_push_is_clipped_by_its_norm(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    def push(clip: float) -> torch.Tensor:
        step, z = make_step(model, network, picture, clip=clip, weight=1e6)
        still, _ = make_step(model, network, picture, weight=0.0)
        return step(GRID, 4, z, 1.0).epsilon - still(GRID, 4, z, 1.0).epsilon

    free, bound = push(0.0), push(20.0)
    size = free.numel() / (4 * 64 * 64)
    assert float(free.norm()) / size**0.5 > 20
    assert float(bound.norm()) / size**0.5 == pytest.approx(20, rel=1e-4)
    cosine = torch.nn.functional.cosine_similarity(free.flatten(), bound.flatten(), dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf"), 1e20])
def test_an_estimate_that_explodes_is_not_followed(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, spoiled: float
) -> None:
    step, z = make_step(model, network, picture, lambda latents: model.decode(latents) * spoiled)
    if spoiled == 1e20:
        step, _ = make_step(model, network, picture)
        z = z * 1e6
    still, _ = make_step(model, network, picture, weight=0.0)
    guided = step(GRID, 4, z, 1.0)
    assert guided.terms is None
    assert torch.equal(guided.epsilon, still(GRID, 4, z, 1.0).epsilon)


def test_memory_that_ends_has_one_way_out(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray
) -> None:
    missing = 1

    def decode(latents: torch.Tensor) -> torch.Tensor:
        nonlocal missing
        if missing:
            missing -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return model.decode(latents)

    try:
        step, z = make_step(model, network, picture, decode)
        assert step(GRID, 4, z, 1.0).terms is not None
        assert step.low_memory
        missing = 2
        with pytest.raises(MemoryShortError, match="none left"):
            step(GRID, 4, z, 1.0)
    finally:
        model.unet.disable_gradient_checkpointing()
        model.vae.disable_gradient_checkpointing()


def test_source_latents_end_with_the_source(model: DiffusionModel, picture: np.ndarray) -> None:
    z0 = model.encode(to_tensor(picture[:40]))
    latents = invert_source(model, GRID, z0, model.embed([""]), lambda j: None)
    assert latents.shape == (11, *z0.shape[1:])
    assert torch.equal(latents[-1:], z0)
    # Noise grows towards the front: its share of what is there is the schedule's.
    spread = latents.flatten(1).var(dim=1)
    assert spread[0] > spread[-1] or spread[0] > 0.5


def test_writes_nothing_of_the_callers(
    model: DiffusionModel, network: FlowNetwork, picture: np.ndarray, tmp_path: Path
) -> None:
    states: list[dict[str, np.ndarray]] = []
    source, flow = picture.copy(), FLOW.copy()
    guide(model, network).edit(source, flow, on_state=states.append)
    kept = {name: array.copy() for name, array in states[1].items()}
    guide(model, network).edit(source, flow, state=states[1])
    assert (source == picture).all()
    assert (flow == FLOW).all()
    assert all((states[1][name] == kept[name]).all() for name in kept)
