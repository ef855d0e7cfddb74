"""The samplers agree with diffusers' schedulers step by step, and inversion is undone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, LCMScheduler

from impetus.backend.diffusion.generation import generate
from impetus.backend.diffusion.models import DiffusionModel, Text, open_model
from impetus.backend.diffusion.sampling import (
    Grid,
    ddim_step,
    denoise,
    denoise_consistently,
    guided_noise,
    inversion_step,
    invert,
)
from tests.tiny_model import write_model

SETTINGS: dict[str, Any] = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
    "clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "leading",
}  # fmt: skip
ALPHAS = DDIMScheduler(**SETTINGS).alphas_cumprod.double()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def model(folder: Path) -> DiffusionModel:
    return open_model(folder, device="cpu")


@pytest.fixture
def text(model: DiffusionModel) -> Text:
    return model.embed(["a red ball"])


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_paper_runs_the_last_80_of_200_steps() -> None:
    grid = Grid(ALPHAS, 200, 400)
    assert len(grid) == 80
    assert grid.timesteps == tuple(range(396, 0, -5))
    assert (grid.next(0), grid.next(79)) == (391, -1)
    assert grid.alpha(-4) == grid.alpha(0) == float(ALPHAS[0])


@pytest.mark.parametrize("steps", [1, 7, 25, 40, 50, 200, 500])
def test_timesteps_are_those_of_diffusers(steps: int) -> None:
    scheduler = DDIMScheduler(**SETTINGS)
    scheduler.set_timesteps(steps)
    assert list(Grid(ALPHAS, steps).timesteps) == scheduler.timesteps.tolist()


def test_as_many_steps_as_training_had_stay_in_range() -> None:
    assert max(Grid(ALPHAS, 1000).timesteps) == 999


@pytest.mark.parametrize(("steps", "tau"), [(0, None), (1001, None), (10, 4.0)])
def test_no_steps_are_refused(steps: int, tau: float | None) -> None:
    with pytest.raises(ValueError, match="steps"):
        Grid(ALPHAS, steps, tau)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_every_step_is_that_of_diffusers(eta: float) -> None:
    scheduler = DDIMScheduler(**SETTINGS)
    scheduler.set_timesteps(25)
    grid = Grid(ALPHAS, 25)
    z, epsilon, noise = (normal(seed, 1, 4, 6, 8).double() for seed in range(3))
    for i, t in enumerate(scheduler.timesteps):
        theirs = scheduler.step(epsilon, t, z, eta=eta, variance_noise=noise).prev_sample
        ours = ddim_step(grid, i, z, epsilon, eta=eta, noise=noise)
        # Theirs takes roots of 32 bit alphas.
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=2e-6)


def test_every_inversion_step_is_that_of_diffusers() -> None:
    scheduler = DDIMInverseScheduler(**SETTINGS)
    scheduler.set_timesteps(200)
    grid = Grid(ALPHAS, 200, 400)
    z, epsilon = (normal(seed, 1, 4, 6, 8).double() for seed in range(2))
    for j, t in enumerate(scheduler.timesteps[:80]):
        theirs = scheduler.step(epsilon, t, z).prev_sample
        ours = inversion_step(grid, j, z, epsilon)
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=2e-6)


def test_eta_may_differ_from_pixel_to_pixel() -> None:
    grid = Grid(ALPHAS, 40, 400)
    z, epsilon, noise = (normal(seed, 1, 4, 6, 8) for seed in range(3))
    eta = torch.zeros(1, 1, 6, 8)
    eta[..., 4:] = 1
    eta[..., 0, 0] = 0.3
    mixed = ddim_step(grid, 5, z, epsilon, eta=eta, noise=noise)
    for value in (0.0, 1.0, 0.3):
        whole = ddim_step(grid, 5, z, epsilon, eta=value, noise=noise)
        there = (eta == np.float32(value)).expand_as(z)
        torch.testing.assert_close(mixed[there], whole[there])


def test_the_last_step_adds_what_eta_says_and_never_a_root_of_less_than_nothing() -> None:
    grid = Grid(ALPHAS, 200, 400)
    z = normal(0, 1, 4, 6, 8)
    out = ddim_step(grid, 79, z, z, eta=1.0, noise=normal(1, 1, 4, 6, 8))
    assert bool(out.isfinite().all())


def test_inversion_is_undone_where_noise_does_not_depend_on_the_latent(
    tmp_path: Path,
) -> None:
    """Then the two are the same linear map, there and back: any step off by one shows."""
    model = open_model(write_model(tmp_path / "blind"), device="cpu")
    model.unet.conv_in.weight.zero_()
    grid = Grid(model.alphas_cumprod, 50, 400)
    z0, prompt = normal(0, 1, 4, 4, 4), model.embed(["a red ball"])
    there = invert(model, grid, z0, prompt)
    assert float((there - z0).norm()) > 0.1
    torch.testing.assert_close(denoise(model, grid, there, prompt), z0, rtol=1e-5, atol=1e-5)


def test_inversion_is_undone_the_better_the_finer_the_grid(
    model: DiffusionModel, text: Text
) -> None:
    """The order of the scheme is one: four times the steps, about a quarter of the error."""
    z0 = normal(0, 1, 4, 4, 4)
    errors = []
    for steps in (40, 160):
        grid = Grid(model.alphas_cumprod, steps, 400)
        back = denoise(model, grid, invert(model, grid, z0, text), text)
        errors.append(float((back - z0).norm() / z0.norm()))
    assert errors[1] < 0.4 * errors[0]


def test_further_rounds_make_the_inversion_exact(model: DiffusionModel, text: Text) -> None:
    z0 = normal(0, 1, 4, 4, 4)
    grid = Grid(model.alphas_cumprod, 40, 400)
    errors = []
    for rounds in (1, 2, 4):
        back = denoise(model, grid, invert(model, grid, z0, text, rounds=rounds), text)
        errors.append(float((back - z0).norm() / z0.norm()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < 0.5 * errors[1]


def test_guidance_is_one_batch_with_a_negative_for_each_row(
    model: DiffusionModel, text: Text
) -> None:
    z = normal(0, 3, 4, 4, 4)
    negative = model.embed(["blurry", "a red ball", "dark"])
    mixed = guided_noise(model, z, 301, text, negative, 7.5)
    for row in range(3):
        plain = model.predict(z[row : row + 1], 301, text)
        without = model.predict(z[row : row + 1], 301, negative.rows(row))
        expected = without + 7.5 * (plain - without)
        torch.testing.assert_close(mixed[row : row + 1], expected, rtol=1e-3, atol=1e-3)
    # The prompt as its own negative leaves the plain prediction, whatever the guidance.
    plain = model.predict(z[1:2], 301, text)
    torch.testing.assert_close(mixed[1:2], plain, rtol=1e-4, atol=1e-4)


def test_the_generator_decides_all_noise(model: DiffusionModel, text: Text) -> None:
    grid = Grid(model.alphas_cumprod, 10, 400)
    z = normal(0, 1, 4, 4, 4)

    def make(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return denoise(model, grid, z, text, eta=1.0, generator=generator)

    assert torch.equal(make(1), make(1))
    assert not torch.equal(make(1), make(2))


def test_a_step_may_end_the_work(model: DiffusionModel, text: Text) -> None:
    seen: list[int] = []

    def stop(step: int) -> None:
        seen.append(step)
        if step == 2:
            raise InterruptedError

    grid = Grid(model.alphas_cumprod, 50, 400)
    for run in (denoise, invert):
        seen.clear()
        with pytest.raises(InterruptedError):
            run(model, grid, normal(0, 1, 4, 4, 4), text, on_step=stop)
        assert seen == [0, 1, 2]


def test_consistency_steps_are_those_of_diffusers(tmp_path: Path) -> None:
    path = write_model(tmp_path / "lcm")
    scheduler = LCMScheduler(**SETTINGS)
    scheduler.save_pretrained(path / "scheduler")
    model = open_model(path, device="cpu")
    text = model.embed(["a red ball"])
    start = normal(0, 1, 4, 4, 4)
    ours = denoise_consistently(
        model, start, text, steps=4, generator=torch.Generator().manual_seed(5)
    )
    scheduler.set_timesteps(4)
    z, generator = start, torch.Generator().manual_seed(5)
    for t in scheduler.timesteps:
        epsilon = model.predict(z, int(t), text)
        z = scheduler.step(epsilon, t, z, generator=generator, return_dict=False)[0]
    torch.testing.assert_close(ours, z, rtol=1e-4, atol=1e-4)


def test_other_models_have_no_consistency_steps(model: DiffusionModel, text: Text) -> None:
    with pytest.raises(ValueError, match="no latent consistency model"):
        denoise_consistently(model, normal(0, 1, 4, 4, 4), text)


def test_a_picture_of_a_prompt_has_any_size_and_its_seed_decides(model: DiffusionModel) -> None:
    def make(seed: int, prompt: str = "a ball") -> np.ndarray:
        return generate(model, prompt, "", (45, 31), steps=2, guidance=7.5, seed=seed)

    assert make(1).shape == (31, 45, 3)
    assert np.array_equal(make(1), make(1))
    assert not np.array_equal(make(1), make(2))
    assert not np.array_equal(make(1), make(1, "another thing"))


def test_a_distilled_model_generates_by_consistency_steps(folder: Path, tmp_path: Path) -> None:
    path = write_model(tmp_path / "lcm")
    LCMScheduler(**SETTINGS).save_pretrained(path / "scheduler")
    steps: list[int] = []
    pictures = [
        generate(open_model(where, device="cpu"), "a ball", "", (32, 32), steps=3, guidance=2.0,
                 seed=1, on_step=steps.append)
        for where in (path, folder)
    ]  # fmt: skip
    assert steps == [0, 1, 2] * 2
    assert not np.array_equal(*pictures)
