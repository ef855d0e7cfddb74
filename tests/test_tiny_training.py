import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open

from impetus.backend.training.architecture import (
    END,
    START,
    TrainingError,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
    make_vae,
)
from impetus.backend.training.autoencoder import (
    move_alike,
    signal_to_noise,
    start_steadily,
)
from impetus.backend.training.data_set import DataSet
from impetus.backend.training.denoiser import tokens_of, velocity_error
from impetus.backend.training.latent_store import encode_pictures, load_latents, save_latents
from impetus.backend.training.loop import generator_of
from impetus.backend.training.packaging import write_pipeline
from impetus.backend.training.picture_store import PictureStore
from impetus.backend.training.run_state import read_tensors
from impetus.backend.training.tiny_training import TinyTraining, load_vae

CAPTIONS = ["a red cube on a wooden floor, morning light", "two glass spheres, left of a tower"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_data(folder: Path, *, count: int = 40) -> Path:
    """Write pictures of plain boxes in the made data's layout."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        width, height = (64, 64) if seed % 2 else (64, 48)
        color = np.full((height, width, 3), random.integers(0, 255, 3), np.uint8)
        index = np.zeros((height, width), np.uint8)
        left, top = random.integers(0, width // 2), random.integers(0, height // 2)
        color[top : top + 20, left : left + 20] = random.integers(0, 255, 3)
        index[top : top + 20, left : left + 20] = 1
        place = folder / "pictures" / f"{seed:06d}"
        place.mkdir(parents=True)
        Image.fromarray(color).save(place / "color_0001.png")
        empty = np.zeros((height, width))
        np.savez_compressed(
            place / "geometry_0001.npz", index=index, depth=empty, edges=empty,
            normal=np.zeros((height, width, 3), np.int8),
        )  # fmt: skip
        scene = {"caption": CAPTIONS[seed % 2], "seed": seed, "held_out": seed % 16 == 0}
        (place / "scene.json").write_text(json.dumps(scene))
    return folder


def test_words_come_back_from_their_tokens() -> None:
    tokenizer = make_tokenizer(CAPTIONS)
    ids = tokenizer("A red CUBE, of Zyxß 3").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a red cube , of zyxß 3"
    assert tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == [START, END]
    assert len(tokenizer("cube").input_ids) == 3
    assert len(tokenizer("xylograph").input_ids) > 5


def test_a_prompt_is_padded_to_77_and_cut_there() -> None:
    tokenizer = make_tokenizer(CAPTIONS)
    tokens = tokens_of(tokenizer, ["", "a cube", "cube " * 100])
    assert tokens.shape == (3, 77)
    assert tokens[2, -1] == tokenizer.eos_token_id


def test_the_folder_opens_in_diffusers_and_samples(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(CAPTIONS)
    torch.manual_seed(0)
    parts = {
        "vae": make_vae(), "unet": make_unet(), "text_encoder": make_text_encoder(tokenizer)
    }  # fmt: skip
    (tmp_path / "README.md").write_text("card")
    for _ in range(2):  # written over itself as well
        write_pipeline(tmp_path, tokenizer=tokenizer, **parts)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline("a cube", height=40, width=72, num_inference_steps=2, output_type="np").images
    assert made.shape == (1, 40, 72, 3)
    assert (tmp_path / "README.md").read_text() == "card"
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) < 40e6
    assert "_name_or_path" not in (tmp_path / "unet" / "config.json").read_text()
    assert parts["unet"].dtype == torch.float32
    stored = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    with safe_open(stored, "pt") as file:
        assert file.get_tensor("conv_in.weight").dtype == torch.float16


def test_an_unknown_factor_is_told() -> None:
    with pytest.raises(TrainingError, match="factor of 8 or 4, got 3"):
        make_vae(3)


def test_latents_and_pictures_move_alike() -> None:
    """A picture whose latents are its own colours, averaged over cells, stays so when moved."""
    cells = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    ramp = torch.nn.functional.interpolate(cells, scale_factor=8, mode="bilinear")
    latents = torch.nn.functional.avg_pool2d(ramp, 8)
    for seed in range(12):
        moved, picture = move_alike(latents, ramp, generator_of(seed, 0), 8)
        shrunk = torch.nn.functional.avg_pool2d(picture, 8)
        assert moved.shape == shrunk.shape == (2, 4, 5, 5)
        still = (latents[:, :, :-1, :-1] - shrunk).abs().mean()
        assert (moved - shrunk).abs().mean() < 0.03 < still


def test_the_posterior_starts_narrow() -> None:
    torch.manual_seed(0)
    posterior = start_steadily(make_vae()).encode(torch.rand(1, 3, 32, 32)).latent_dist
    assert posterior.std.max() < 0.15


def test_signal_to_noise_counts_the_mask_alone() -> None:
    wanted = torch.zeros(1, 3, 4, 4)
    off, mask = wanted.clone(), torch.zeros(1, 1, 4, 4)
    off[..., :2] = 0.2
    mask[..., :2] = 1
    assert signal_to_noise(off, wanted, mask) == pytest.approx(20.0)  # 0.1 of the whole range
    assert signal_to_noise(off, wanted, 1 - mask) > 100


def test_what_is_learnt_tells_noise_and_picture_from_what_they_make() -> None:
    """The target turns a noisy latent back into its parts; what gives it has no error."""
    scheduler, random = make_scheduler(), generator_of(0, 0)
    clean, noise = (torch.randn(6, 4, 8, 8, generator=random) for _ in range(2))
    times = torch.tensor([0, 50, 300, 600, 900, 999])
    kept = scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
    velocity = kept.sqrt() * noise - (1 - kept).sqrt() * clean
    noisy = scheduler.add_noise(clean, noise, times)
    torch.testing.assert_close(kept.sqrt() * noisy - (1 - kept).sqrt() * velocity, clean)
    torch.testing.assert_close(kept.sqrt() * velocity + (1 - kept).sqrt() * noisy, noise)
    batch = (clean, noise, times, torch.zeros(6, 77, dtype=torch.long))
    assert velocity_error(lambda z, t, tokens: velocity, scheduler, batch).max() < 1e-10
    nothing = velocity_error(lambda z, t, tokens: torch.zeros_like(z), scheduler, batch)
    torch.testing.assert_close(nothing, velocity.square().mean((1, 2, 3)))


def test_crops_show_both_far_and_near(tmp_path: Path) -> None:
    pictures = PictureStore(DataSet(write_data(tmp_path)))
    assert len(pictures.shown) == 37
    crops = pictures.crops(generator_of(0, 0), count=50, side=32)
    assert crops.shape == (50, 4, 32, 32)
    assert crops[:, :3].abs().max() <= 1
    assert torch.equal(crops, pictures.crops(generator_of(0, 0), count=50, side=32))
    assert not torch.equal(crops, pictures.crops(generator_of(0, 1), count=50, side=32))


def test_a_growing_set_is_read_on(tmp_path: Path) -> None:
    pictures = PictureStore(DataSet(write_data(tmp_path, count=20)))
    first = [id(one) for one in pictures.shown]
    write_data(tmp_path / "more", count=40)
    for place in sorted((tmp_path / "more" / "pictures").iterdir())[20:]:
        place.rename(tmp_path / "pictures" / place.name)
    assert pictures.refresh() == 37
    assert [id(one) for one in pictures.shown][: len(first)] == first


def test_latents_come_back_from_their_file(tmp_path: Path) -> None:
    pictures = PictureStore(DataSet(write_data(tmp_path)))
    torch.manual_seed(0)
    store = encode_pictures(make_vae(), pictures, mirror=True)
    assert {name: tuple(shape.mean.shape) for name, shape in store.shapes.items()} == {
        "square": (40, 4, 16, 16), "wide": (34, 4, 6, 8)
    }  # fmt: skip
    save_latents(tmp_path / "latents.safetensors", store)
    again = load_latents(tmp_path / "latents.safetensors")
    latents, captions = store.batch(generator_of(0, 3))
    others, other_captions = again.batch(generator_of(0, 3))
    assert torch.equal(latents, others)
    assert captions == other_captions
    parts, _ = store.batch(generator_of(0, 3), part=4)
    assert parts.shape == (32, 4, 4, 4)
    assert torch.equal(parts, store.batch(generator_of(0, 3), part=4)[0])
    assert any("right of a tower" in text for text in store.shapes["square"].captions)


def test_two_steps_of_everything_make_a_model(tmp_path: Path) -> None:
    data, state, out = write_data(tmp_path / "data"), tmp_path / "state", tmp_path / "out"
    said: list[str] = []
    TinyTraining(data=data, state=state, out=out, steps=2, sheet=1).run(said.append)
    assert said[0] == "Training the autoencoder on 37 pictures."
    pipeline = StableDiffusionPipeline.from_pretrained(out, local_files_only=True)
    assert pipeline.vae.config.scaling_factor != 1.0
    for made in ("denoiser_sheet.png", "autoencoder_8_sheet.png", "denoiser_half.safetensors"):
        assert (state / made).stat().st_size > 1000

    before = load_vae(state)
    TinyTraining(data=data, state=state, part="autoencoder", steps=1, sheet=1).run(said.append)
    assert said[-2] == "Training the decoder on 37 pictures."
    after = load_vae(state)
    color = torch.rand(1, 3, 32, 32)
    latents = [vae.encode(color).latent_dist.mode() for vae in (before, after)]
    assert torch.equal(latents[0], latents[1])
    assert not torch.equal(before.decode(latents[0]).sample, after.decode(latents[0]).sample)
    assert before.config.scaling_factor == after.config.scaling_factor


def test_a_new_run_may_begin_with_a_written_model(tmp_path: Path) -> None:
    data, first, out = write_data(tmp_path / "data"), tmp_path / "first", tmp_path / "out"
    TinyTraining(data=data, state=first, out=out, steps=1, sheet=0).run(print)
    again = tmp_path / "again"
    onward = TinyTraining(data=data, state=again, part="denoiser", steps=1, sheet=0, start=out)
    said: list[str] = []
    onward.run(said.append)
    assert said[0] == f"Beginning with the weights in {out}."
    color = torch.rand(1, 3, 32, 32)
    latents = [load_vae(state).encode(color).latent_dist.mode() for state in (first, again)]
    torch.testing.assert_close(latents[0], latents[1], atol=0.02, rtol=0.02)  # half precision
    kept, _ = read_tensors(again / "denoiser.safetensors")
    packaged = StableDiffusionPipeline.from_pretrained(out, local_files_only=True).unet.state_dict()
    for name, weight in packaged.items():  # one step at the warm-up's first rate hardly moves them
        torch.testing.assert_close(kept[f"network.unet.{name}"], weight, atol=2e-4, rtol=0)
    assert not (again / "denoiser_half.safetensors").exists()


def test_a_new_run_may_begin_with_an_autoencoder_alone(tmp_path: Path) -> None:
    data, begun = write_data(tmp_path / "data"), tmp_path / "begun"
    torch.manual_seed(0)
    make_vae().save_pretrained(begun / "vae")
    onward = TinyTraining(data=data, state=tmp_path / "state", steps=1, sheet=0, start=begun)
    replace(onward, part="denoiser").run(print)
    assert load_latents(tmp_path / "state" / "latents.safetensors").pictures == 37


def test_latents_are_made_again_for_more_pictures(tmp_path: Path) -> None:
    data, state = write_data(tmp_path / "data", count=40), tmp_path / "state"
    training = TinyTraining(data=data, state=state, steps=1, sheet=0)
    training.run(print)
    write_data(tmp_path / "more", count=44)
    for place in sorted((tmp_path / "more" / "pictures").iterdir())[40:]:
        place.rename(data / "pictures" / place.name)
    for part, wanted in (("autoencoder", 37), ("denoiser", 41)):
        replace(training, part=part).run(print)
        assert load_latents(state / "latents.safetensors").pictures == wanted


def test_without_pictures_nothing_starts(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", count=5)
    with pytest.raises(TrainingError, match="Expected 32 pictures"):
        TinyTraining(data=data, state=tmp_path / "state", steps=1).run(print)
