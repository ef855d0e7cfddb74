"""MotionCraft on a random model: what it must be equal to, resumed, cancelled, and refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impetus.backend.contract import methods
from impetus.backend.contract.errors import ModelError, ShotError
from impetus.backend.diffusion.attention import CrossFrames
from impetus.backend.diffusion.models import (
    DiffusionModel,
    Text,
    open_model,
    to_image,
    to_tensor,
    with_precision,
)
from impetus.backend.diffusion.motion import FrameMotion, inside_frame
from impetus.backend.diffusion.motioncraft import MotionCraft
from impetus.backend.diffusion.sampling import Grid, ddim_step, invert, named_noise
from tests.tiny_model import write_model

SIZE = (48, 32)  # px, latents of 6 x 4
FEW = methods.MotionCraft(prompt="a ball", steps=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def model(folder: Path) -> DiffusionModel:
    return open_model(folder, device="cpu")


@pytest.fixture
def blind(folder: Path) -> DiffusionModel:
    """A model whose prediction depends on the timestep and the text, not on the latent."""
    model = open_model(folder, device="cpu")
    model.unet.conv_in.weight.zero_()
    return model


def craft(
    model: DiffusionModel,
    settings: methods.MotionCraft = FEW,
    *,
    size: tuple[int, int] = SIZE,
    seed: int = 7,
    check: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MotionCraft:
    return MotionCraft(model, settings, size, seed, check, progress)


def picture(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def motion(
    x: float = 0.0, y: float = 0.0, novelty: float = 0.0, size: tuple[int, int] = SIZE
) -> FrameMotion:
    """A pan whose left half is as novel as said; what comes from out of the frame is unseen."""
    backward = np.zeros((size[1], size[0], 2), np.float32) - np.float32([x, y])
    novel = np.zeros((size[1], size[0]), np.float32)
    novel[:, : size[0] // 2] = novelty
    return FrameMotion(backward, novel, ~inside_frame(backward))


def changed(**parts: Any) -> methods.MotionCraft:
    return methods.MotionCraft(**{"prompt": "a ball", "steps": 10, **parts})


def test_its_defaults_are_the_paper_s() -> None:
    paper = methods.MotionCraft()
    chosen = (paper.steps, paper.tau, paper.guidance, paper.attention, paper.warp, paper.reinvert)
    assert chosen == (200, 400.0, 7.5, "first+previous", "nearest", True)
    assert (paper.novelty.floor, paper.novelty.ceiling, paper.posterior) == (0, 1, "sample")
    assert not paper.attend_to_itself


def test_without_motion_and_guidance_a_frame_is_the_autoencoder_s(blind: DiffusionModel) -> None:
    """Whatever the model: inversion and sampling undo each other where nothing is changed."""
    crafting = craft(blind, changed(guidance=1.0, attention="none", steps=50))
    first = crafting.start(picture())
    for _ in range(3):
        frame = crafting.next(motion())
        assert np.abs(frame.astype(int) - first).max() <= 1


def test_the_first_frame_is_the_autoencoder_s(model: DiffusionModel) -> None:
    crafting = craft(model, changed(posterior="mode"))
    latent = model.encode(to_tensor(picture()))
    assert np.array_equal(crafting.start(picture()), to_image(model.decode(latent)))
    generator = torch.Generator().manual_seed(7)
    sampled = model.encode(to_tensor(picture()), generator=generator)
    assert np.array_equal(craft(model).start(picture()), to_image(model.decode(sampled)))


def slow_frame(model: DiffusionModel, settings: methods.MotionCraft) -> torch.Tensor:
    """Return the second frame's latent as the paper says: three frames, six rows, guided alike."""
    text = model.embed([settings.prompt])
    negative = model.embed([settings.negative_prompt])
    grid = Grid(model.alphas_cumprod, settings.steps, settings.tau)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        anchor = invert(model, grid, model.encode(to_tensor(picture()), generator=generator), text)
        moved = torch.cat([anchor[..., 1:2], anchor[..., :-1]], dim=-1)  # one cell, mirrored
        z = torch.cat([anchor, anchor, moved])
        eta = torch.zeros(3, 1, 4, 6)
        eta[2, :, :, :3] = 1  # half of the picture is said to be new, the strip among it
        texts = Text(torch.cat([*[text.embeddings] * 2, negative.embeddings,
                                *[text.embeddings] * 3]))  # fmt: skip
        for i, t in enumerate(grid.timesteps):
            with CrossFrames(model).reading(((0,), (1,), (0, 1), (3,), (4,), (3, 4))):
                without, wanted = model.predict(torch.cat([z, z]), t, texts).chunk(2)
            epsilon = without + settings.guidance * (wanted - without)
            noise = named_noise((1, 4, 4, 6), 7, 1, i)
            z = ddim_step(grid, i, z, epsilon, eta=eta, noise=noise)
    return z[2:]


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("keeps", [False, True])
def test_a_frame_is_that_of_the_paper_s_six_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool, in_turn: bool
) -> None:
    if not keeps:
        monkeypatch.setattr("impetus.backend.diffusion.motioncraft.ANCHOR_BYTES", 0)
    model = open_model(folder, device="cpu")
    if in_turn:
        model.precision = with_precision(model.precision, attention_slicing=True)
    crafting = craft(model)
    crafting.start(picture())
    crafting.next(motion(x=8.0, novelty=1.0))
    expected = slow_frame(model, FEW)
    made = torch.from_numpy(crafting.state()["last"])
    torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-3)


def test_the_kept_first_frame_takes_the_memory_that_was_foreseen(model: DiffusionModel) -> None:
    cross = CrossFrames(model)
    with torch.no_grad(), cross.recording() as kept:
        model.predict(torch.zeros(1, 4, 5, 7), 100, model.embed([""]))
    assert cross.numbers_a_row(5, 7) == sum(k.numel() + v.numel() for k, v in kept)


@pytest.mark.parametrize(
    "settings",
    [
        changed(), changed(reinvert=False), changed(warp="bilinear", restore_variance=True),
        changed(attention="previous"), changed(carry_detail=True),
        changed(carry_detail=True, fill="surroundings"),
        changed(carry_detail=True, fill="surroundings", follow=0.3),
    ],
)  # fmt: skip
def test_a_new_process_goes_on_to_the_byte(
    folder: Path, model: DiffusionModel, settings: methods.MotionCraft
) -> None:
    steps = [motion(3.0, 1.0, 1.0), motion(3.0, -5.0), motion(0.0, 2.0, 0.5)]
    whole = craft(model, settings)
    whole.start(picture())
    frames, states = [], [whole.state()]
    for step in steps:
        frames.append(whole.next(step, picture()[:, ::-1]))
        states.append(whole.state())
    for done in range(3):
        again = craft(open_model(folder, device="cpu"), settings)
        again.restore(states[done])
        for step, frame in zip(steps[done:], frames[done:], strict=True):
            assert np.array_equal(again.next(step, picture()[:, ::-1]), frame)
    assert all(
        sum(a.nbytes for a in s.values()) == sum(a.nbytes for a in states[1].values())
        for s in states[1:]
    )


def test_the_seed_decides_and_nothing_else_does(model: DiffusionModel) -> None:
    def second(seed: int) -> NDArray[np.uint8]:
        torch.manual_seed(np.random.default_rng().integers(1 << 30))
        crafting = craft(model, seed=seed)
        crafting.start(picture())
        return crafting.next(motion(novelty=1.0))

    assert np.array_equal(second(1), second(1))
    assert not np.array_equal(second(1), second(2))


def test_noise_is_added_where_the_frame_is_new_alone(blind: DiffusionModel) -> None:
    """A model blind to the latent does not spread it: what is known stays what it was."""
    made = []
    for novelty in (0.0, 1.0):
        crafting = craft(blind, changed(attention="none"))
        crafting.start(picture())
        crafting.next(motion(novelty=novelty))
        made.append(crafting.state()["last"])
    calm, noisy = made
    np.testing.assert_allclose(noisy[..., 3:], calm[..., 3:], atol=1e-5)
    assert np.abs(noisy[..., :3] - calm[..., :3]).mean() > 0.1


@pytest.mark.parametrize("ceiling", [0.0, 0.5, 1.0])
def test_what_begins_is_its_surroundings_as_far_as_it_is_not_new(
    blind: DiffusionModel, ceiling: float
) -> None:
    settings = changed(
        attention="none", guidance=1.0, posterior="mode", fill="surroundings",
        novelty=methods.Novelty(ceiling=ceiling),
    )  # fmt: skip
    crafting = craft(blind, settings)
    flat = np.full((SIZE[1], SIZE[0], 3), (200, 120, 40), np.uint8)
    crafting.start(flat)
    crafting.next(motion(16.0))
    came_in = crafting.state()["last"][..., :2]
    wanted = blind.encode(to_tensor(flat)).numpy()[..., :2]
    apart = np.abs(came_in - wanted).mean() / np.abs(wanted).mean()
    assert (apart < 0.02) if ceiling == 0 else (apart > 0.1)


def test_slow_motion_arrives(blind: DiffusionModel) -> None:
    """0.45 of a cell a frame: after 20 frames the content went 9 cells, less than one missing."""
    size = (96, 16)
    image = np.full((16, 96, 3), 128, np.uint8)
    crafting = craft(blind, changed(attention="none", guidance=1.0, posterior="mode"), size=size)
    crafting.start(image)
    state = crafting.state()
    marked = state["last"] * 0
    marked[..., 0] = 100.0
    crafting.restore({**state, "last": marked, "anchor": marked})
    for _ in range(20):
        crafting.next(motion(x=3.6, size=size))
    column = crafting.state()["last"][0, 0, 0]
    # Beyond the frame the latent is mirrored, so all behind the mark is as the mark or the rest.
    reached = int(np.flatnonzero(np.abs(column) > 50).max())
    assert abs(reached - 9) <= 1


def test_without_inversion_the_moved_noise_is_moved_on(model: DiffusionModel) -> None:
    crafting = craft(model, changed(reinvert=False))
    crafting.start(picture())
    anchor = crafting.state()["anchor"]
    for _ in range(2):
        crafting.next(motion(x=8.0))
    assert np.array_equal(crafting.state()["last"][..., 2:], anchor[..., :-2])


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        (changed(), [4, 8, 8]), (changed(reinvert=False), [4, 8, 4]),
        (changed(attention="none"), [4, 4, 8]),
    ],
)  # fmt: skip
def test_progress_counts_every_step(
    model: DiffusionModel, settings: methods.MotionCraft, counts: list[int]
) -> None:
    """Four steps of ten lie below tau: to invert, to keep the first frame, to denoise."""
    told: list[tuple[int, int]] = []
    crafting = craft(model, settings, progress=lambda done, total: told.append((done, total)))
    for make in (lambda: crafting.start(picture()), *[lambda: crafting.next(motion())] * 2):
        told.clear()
        make()
        total = counts.pop(0)
        assert told == [(done, total) for done in range(total + 1)]


def test_it_can_be_ended_within_a_frame_and_gone_on_with(model: DiffusionModel) -> None:
    left = [10**9]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise InterruptedError

    crafting = craft(model, check=check)
    crafting.start(picture())
    crafting.next(motion(novelty=1.0))
    state, processors = crafting.state(), dict(model.unet.attn_processors)
    expected = crafting.next(motion(8.0))
    for step in range(8):
        crafting.restore(state)
        left[0] = step
        with pytest.raises(InterruptedError):
            crafting.next(motion(8.0))
        assert dict(model.unet.attn_processors) == processors
    left[0] = 10**9
    crafting.restore(state)
    assert np.array_equal(crafting.next(motion(8.0)), expected)


def test_sizes_of_any_parity_come_back(model: DiffusionModel) -> None:
    size = (45, 31)
    crafting = craft(model, size=size)
    assert crafting.start(picture(size)).shape == (31, 45, 3)
    assert crafting.next(motion(3.0, size=size)).shape == (31, 45, 3)


def spoilt(x: float) -> FrameMotion:
    field = motion()
    field.backward[3, 4, 1] = x
    return field


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        (spoilt(float("nan")), "a motion field of finite numbers"),
        (spoilt(float("inf")), "a motion field of finite numbers"),
        (motion(size=(32, 32)), r"a motion field of \(32, 48, 2\), got \(32, 32, 2\)"),
        (motion(novelty=1.5), "novelty from 0 to 1"),
        (motion(novelty=float("nan")), "novelty from 0 to 1"),
    ],
)
def test_motion_that_is_none_is_refused_before_any_step(
    model: DiffusionModel, field: FrameMotion, sentence: str
) -> None:
    crafting = craft(model)
    crafting.start(picture())
    before = crafting.state()
    with pytest.raises(ShotError, match=sentence):
        crafting.next(field)
    after = crafting.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_picture_of_another_size_is_refused(model: DiffusionModel) -> None:
    with pytest.raises(ShotError, match=r"a start picture of \(32, 48, 3\), got \(32, 32, 3\)"):
        craft(model).start(picture((32, 32)))


def test_steps_that_tau_leaves_none_of_are_refused(model: DiffusionModel) -> None:
    with pytest.raises(ShotError, match="at least one step up to tau"):
        craft(model, changed(steps=2, tau=100.0))


def test_a_distilled_model_is_of_the_wrong_kind(tmp_path: Path) -> None:
    path = write_model(tmp_path / "lcm")
    settings = path / "scheduler" / "scheduler_config.json"
    settings.write_text(settings.read_text().replace("DDIMScheduler", "LCMScheduler"))
    with pytest.raises(ModelError, match="distilled for a few steps"):
        craft(open_model(path, device="cpu"))


def test_numbers_out_of_range_are_told(folder: Path) -> None:
    model = open_model(folder, device="cpu")
    crafting = craft(model)
    crafting.start(picture())
    model.unet.conv_out.bias.fill_(float("inf"))
    with pytest.raises(ModelError, match="its latents left the range"):
        crafting.next(motion())


@pytest.mark.parametrize("follow", [0.0, 1.0])
def test_with_carried_detail_what_rests_is_the_start_picture_or_what_is_followed(
    blind: DiffusionModel, follow: float
) -> None:
    """A frame after the next is made of the render; the next one of the start picture."""
    sharp = changed(guidance=1.0, attention="none", steps=50, carry_detail=True, follow=follow)
    crafting = craft(blind, sharp)
    assert np.array_equal(crafting.start(picture()), picture())
    render = picture()[:: -1 if follow else 1].copy()
    frames = [crafting.next(motion(), render).astype(int) for _ in range(3)]
    for frame in frames[1:] if follow else frames:
        assert np.abs(frame - render).max() <= 2


def test_a_followed_render_is_what_the_next_frame_is_made_of(model: DiffusionModel) -> None:
    """As far as the settings say: the frame's own latent, the render's, or one between."""
    render = picture()[::-1].copy()
    wanted, lasts = model.encode(to_tensor(render)), {}
    for follow in (0.0, 0.25, 1.0):
        crafting = craft(model, changed(posterior="mode", follow=follow))
        crafting.start(picture())
        crafting.next(motion(x=2.0), render)
        lasts[follow] = torch.from_numpy(crafting.state()["last"])
    torch.testing.assert_close(lasts[1.0], wanted)
    torch.testing.assert_close(lasts[0.25], 0.75 * lasts[0.0] + 0.25 * wanted)
    with pytest.raises(ValueError, match="a render to follow"):
        crafting.next(motion())
    with pytest.raises(ShotError, match="a render of"):
        crafting.next(motion(), render[:8])


def test_a_settled_pan_moves_by_less_than_a_cell(model: DiffusionModel) -> None:
    """By 3 of 8 pixels no cell moves: the picture alone does."""
    frames = {}
    for settle in (False, True):
        crafting = craft(model, changed(settle_picture=settle))
        crafting.start(picture())
        frames[settle] = crafting.next(motion(x=3.0)).astype(int)
    shifted = np.abs(frames[True][:, 11:-8] - frames[False][:, 8:-11]).mean()
    assert shifted < 0.1 * np.abs(frames[True][:, 11:-8] - frames[False][:, 11:-8]).mean()
