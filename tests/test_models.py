"""Model folders are checked before they are opened, and what is opened agrees with diffusers."""

import io
import json
import pickle
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from impetus.backend.contract.errors import ModelError, ResourceError
from impetus.backend.diffusion.model_folder import check_safetensors, read_model_folder
from impetus.backend.diffusion.models import (
    DiffusionModel,
    crop,
    load_model,
    open_model,
    pad_to_factor,
    to_image,
    to_tensor,
)
from impetus.backend.diffusion.precision import choose_precision
from tests.tiny_model import SIZE, write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def folder_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small_xl", kind="sdxl")


@pytest.fixture(scope="module")
def model(folder: Path) -> DiffusionModel:
    return open_model(folder, device="cpu")


def picture(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, SIZE, SIZE, generator=generator) * 2 - 1


def latents(seed: int = 0, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_text_and_noise_are_those_of_diffusers(folder: Path, model: DiffusionModel) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    theirs, _ = pipe.encode_prompt("a red ball", "cpu", 1, False)
    text = model.embed(["a red ball"])
    torch.testing.assert_close(text.embeddings, theirs)
    noise = pipe.unet(latents(), 300, theirs).sample
    torch.testing.assert_close(model.predict(latents(), 300, text), noise)


def test_last_layers_of_the_text_encoder_may_be_left_out(model: DiffusionModel) -> None:
    encoder, tokenizer = model.text_encoders[0], model.tokenizers[0]
    tokens = tokenizer(["a red ball"], padding="max_length", return_tensors="pt").input_ids
    layers = encoder(tokens, output_hidden_states=True).hidden_states
    for skip in (0, 1):
        expected = encoder.final_layer_norm(layers[-1 - skip])
        text = model.embed(["a red ball"], clip_skip=skip)
        torch.testing.assert_close(text.embeddings, expected)


def test_xl_has_both_texts_and_its_sizes(folder_xl: Path) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(folder_xl, local_files_only=True)
    model = open_model(folder_xl, device="cpu")
    theirs, _, pooled, _ = pipe.encode_prompt(
        "a red ball", device="cpu", do_classifier_free_guidance=False
    )
    text = model.embed(["a red ball"])
    assert model.kind == "sdxl"
    torch.testing.assert_close(text.embeddings, theirs)
    torch.testing.assert_close(text.pooled, pooled)
    sizes = torch.tensor([[32.0, 32, 0, 0, 32, 32]])
    added = {"text_embeds": pooled, "time_ids": sizes}
    noise = pipe.unet(latents(), 300, theirs, added_cond_kwargs=added).sample
    torch.testing.assert_close(model.predict(latents(), 300, text), noise)


def test_encode_is_scaled_and_decode_undoes_the_scale(model: DiffusionModel) -> None:
    posterior = model.vae.encode(picture()).latent_dist
    mode = model.encode(picture())
    torch.testing.assert_close(mode, posterior.mode() * 0.5)
    sample = model.encode(picture(), generator=torch.Generator().manual_seed(3))
    noise = torch.randn(mode.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(sample, (posterior.mode() + posterior.std * noise) * 0.5)
    torch.testing.assert_close(model.decode(mode), model.vae.decode(posterior.mode()).sample)


def test_gradients_reach_latents_and_no_weight(model: DiffusionModel) -> None:
    z = latents().requires_grad_()
    loss = model.decode(model.predict(z, 100, model.embed([""]))).square().mean()
    loss.backward()
    assert z.grad is not None
    assert float(z.grad.abs().sum()) > 0
    assert all(p.grad is None for p in [*model.unet.parameters(), *model.vae.parameters()])


def test_v_prediction_becomes_noise(folder: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(folder, tmp_path / "v")
    settings = json.loads((changed / "scheduler" / "scheduler_config.json").read_text())
    settings["prediction_type"] = "v_prediction"
    (changed / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    model = open_model(changed, device="cpu")
    assert model.prediction == "v_prediction"
    scheduler = DDIMScheduler.from_config(settings)
    scheduler.set_timesteps(10)
    text = model.embed(["a"])
    raw = model.unet(latents(), 301, text.embeddings).sample
    clean = scheduler.step(raw, 301, latents()).pred_original_sample
    alpha = scheduler.alphas_cumprod[301]
    noise = (latents() - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    torch.testing.assert_close(model.predict(latents(), 301, text), noise, rtol=1e-4, atol=1e-4)


def test_half_precision_weights_open(folder: Path, tmp_path: Path) -> None:
    half = shutil.copytree(folder, tmp_path / "half")
    file = half / "unet" / "diffusion_pytorch_model.safetensors"
    weights = {name: value.half() for name, value in load_file(file).items()}
    file.unlink()
    save_file(weights, file.with_suffix(".tmp"))
    file.with_suffix(".tmp").rename(file.parent / "diffusion_pytorch_model.fp16.safetensors")
    model = open_model(half, device="cpu")
    assert model.unet.dtype == torch.float32
    assert read_model_folder(half).weights["unet"].numbers == sum(
        p.numel() for p in model.unet.parameters()
    )
    wanted = weights["conv_in.weight"].float()
    torch.testing.assert_close(model.unet.conv_in.weight, wanted)


def test_nothing_is_asked_of_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something connects")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    open_model(folder, device="cpu").embed(["a"])


def test_models_are_found_by_name(folder: Path) -> None:
    assert load_model("small", folder.parent, device="cpu").name == "small"


@pytest.mark.parametrize(
    "name", ["none", "", "..", "../small", "someone/some-model", "a\\b", "C:x", "small\0"]
)
def test_a_name_is_no_path_and_no_address(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"Expected the name of a model, got .*small"):
        load_model(name, folder.parent)


def a_pickle() -> bytes:
    return pickle.dumps({"state_dict": [1.0, 2.0]})


def a_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", a_pickle())
    return stream.getvalue()


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


UNET = "unet/diffusion_pytorch_model.safetensors"


def without_a_weight(root: Path) -> None:
    weights = load_file(root / UNET)
    del weights["conv_out.bias"]
    save_file(weights, root / UNET)


def only_a_bin(root: Path) -> None:
    (root / UNET).unlink()
    (root / "unet" / "diffusion_pytorch_model.bin").write_bytes(a_zip())


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "found no model_index.json"),
    "checkpoint beside": (
        lambda f: (f / "model_index.json").rename(f / "model.ckpt"), "found model.ckpt"),
    "another kind": (
        lambda f: rewrite(f / "model_index.json", _class_name="FluxPipeline"), "FluxPipeline"),
    "own code": (
        lambda f: rewrite(f / "model_index.json", _class_name=["mine", "Mine"]), "Mine"),
    "index no JSON": (lambda f: (f / "model_index.json").write_text("{"), "could not read"),
    "no scheduler": (lambda f: shutil.rmtree(f / "scheduler"), "part 'scheduler'"),
    "no vae": (lambda f: shutil.rmtree(f / "vae"), "part 'vae'"),
    "no tokenizer file": (
        lambda f: (f / "tokenizer" / "tokenizer.json").unlink(), "vocab.json and merges.txt"),
    "wrong vae": (
        lambda f: rewrite(f / "vae" / "config.json", _class_name="AutoencoderKLWan"), "Wan"),
    "inpainting": (lambda f: rewrite(f / "unet" / "config.json", in_channels=9), "9 and 4"),
    "pickle renamed": (lambda f: (f / UNET).write_bytes(a_pickle()), "a pickle, which could run"),
    "zip renamed": (lambda f: (f / UNET).write_bytes(a_zip()), "a zip, as torch's"),
    "git-lfs": (lambda f: (f / UNET).write_text("version https://git-lfs"), "pointer of git-lfs"),
    "cut": (lambda f: (f / UNET).write_bytes((f / UNET).read_bytes()[:-9]), "to be whole"),
    "empty": (lambda f: (f / UNET).write_bytes(b""), "found something else"),
    "only .bin": (only_a_bin, "found diffusion_pytorch_model.bin"),
    "no weights": (lambda f: (f / UNET).unlink(), "found no weights"),
    "a weight missing": (without_a_weight, "such as conv_out.bias"),
    "another width": (
        lambda f: rewrite(f / "unet" / "config.json", cross_attention_dim=24), "expected shape"),
    "x0 prediction": (
        lambda f: rewrite(f / "scheduler/scheduler_config.json", prediction_type="sample"),
        "predicts 'sample'"),
    "unknown schedule": (
        lambda f: rewrite(f / "scheduler/scheduler_config.json", beta_schedule="mine"),
        "Expected a noise schedule"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_no_model_is_refused_in_a_sentence(folder: Path, tmp_path: Path, case: str) -> None:
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    change, sentence = SPOILT[case]
    change(spoilt)
    with pytest.raises(ModelError, match="Expected") as caught:
        open_model(spoilt, device="cpu")
    assert sentence in caught.value.sentence
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [a_pickle, a_zip])
def test_a_checkpoint_is_refused_under_any_name(tmp_path: Path, make: Callable[[], bytes]) -> None:
    for name in ("model.ckpt", "model.safetensors", "model"):
        (tmp_path / name).write_bytes(make())
        with pytest.raises(ModelError, match=r"a (zip|pickle)"):
            load_model(name, tmp_path)


def test_safetensors_are_known_by_their_bytes(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.pth", metadata={"format": "pt"})
    assert check_safetensors(tmp_path / "weights.pth") == 3


def test_pictures_come_back_as_they_went() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(to_image(to_tensor(image)), image)
    as_float = to_tensor(image.astype(np.float32) / 255)
    torch.testing.assert_close(as_float, to_tensor(image))


@pytest.mark.parametrize(("width", "height"), [(30, 17), (32, 16), (3, 1)])
def test_padding_reaches_the_factor_and_is_cropped_away(width: int, height: int) -> None:
    image = torch.rand(1, 3, height, width)
    padded = pad_to_factor(image)
    assert (padded.shape[-1] % 8, padded.shape[-2] % 8) == (0, 0)
    assert max(padded.shape[-1] - width, padded.shape[-2] - height) < 8
    assert torch.equal(crop(padded, (width, height)), image)


def test_the_processor_computes_in_32_bit_and_says_why() -> None:
    chosen = choose_precision(10**6, 256, 144, "cpu")
    assert (chosen.device.type, chosen.dtype, chosen.offload) == ("cpu", torch.float32, False)
    assert chosen.reasons


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(ResourceError, match="Expected to diffuse on cuda"):
        choose_precision(10**6, 256, 144, "cuda")


@pytest.mark.parametrize(
    ("gibibytes", "major", "half", "offload"),
    [(24, 8, True, False), (4, 8, True, True), (24, 5, False, False)],
)
def test_memory_and_age_of_a_gpu_decide(
    monkeypatch: pytest.MonkeyPatch, gibibytes: int, major: int, half: bool, offload: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (major, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (gibibytes << 30, gibibytes << 30))
    chosen = choose_precision(1_070_000_000, 512, 512)
    assert (chosen.dtype == torch.float16, chosen.offload) == (half, offload)
    assert not (chosen.compile and chosen.offload)
    assert any("bit" in reason for reason in chosen.reasons)
