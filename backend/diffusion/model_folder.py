"""A model's folder on disk, checked before anything of it is opened: parts, classes, file bytes.

The layout is that of diffusers: `model_index.json` names a pipeline and its parts, each part is a
folder with its configuration and, where it is a network, its weights as safetensors.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from ..contract.errors import ModelError
from ..contract.keys import user_folder

Kind = Literal["sd1", "sd2", "sdxl"]

PIPELINES = {
    "StableDiffusionPipeline": "sd1",
    "StableDiffusionImg2ImgPipeline": "sd1",
    "LatentConsistencyModelPipeline": "sd1",
    "LatentConsistencyModelImg2ImgPipeline": "sd1",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
}
NETWORKS = {
    "vae": "AutoencoderKL",
    "unet": "UNet2DConditionModel",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
}
SD2_TEXT_WIDTH = 1024
"Width of the text embeddings of Stable Diffusion 2.x; 1.x has 768."
PRESETS = Path(__file__).resolve().parents[2] / "presets" / "models"
MAX_HEADER = 100_000_000
MAX_CONFIGURATION = 4 << 20
CONVERT = "Convert it to the diffusers layout with safetensors weights, or take another model."
UNSAFE = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")


@dataclass(frozen=True)
class Weights:
    """A part's weights: `variant` is diffusers' word in the file name, such as fp16."""

    variant: str | None
    numbers: int


@dataclass(frozen=True)
class ModelFolder:
    """What a checked folder holds."""

    path: Path
    name: str
    kind: Kind
    weights: dict[str, Weights]
    "By part: vae, unet, text_encoder and, for XL, text_encoder_2."
    scheduler: dict[str, Any]
    unet: dict[str, Any]
    "The two configurations that samplers depend on."

    @property
    def latent_consistency(self) -> bool:
        """Whether the model was distilled for sampling in a few steps (LCM)."""
        distilled = self.unet.get("time_cond_proj_dim") is not None
        return distilled or self.scheduler.get("_class_name") == "LCMScheduler"


def find_model(name: str, models_folder: Path | None = None) -> Path:
    """Return the folder of a model by its name.

    It is looked for in the user's models folder, then among the presets. A name is no path and no
    address of a hub. Raises ModelError, which lists the names that there are.
    """
    folder = user_folder() / "models" if models_folder is None else models_folder
    plain = name not in ("", ".", "..") and not set(name) & set("/\\:\0")
    if plain and (folder / name).exists():
        return folder / name
    if plain and (PRESETS / name / "model_index.json").is_file():
        return PRESETS / name
    there = ", ".join(list_models(folder)) or "none"
    raise ModelError(
        f"Expected the name of a model, got {name!r}; there is {there}.",
        f"Put its folder, in the diffusers layout, into {folder}.",
    )


def list_models(models_folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of the models that there are, the built-in one among them."""
    folder = user_folder() / "models" if models_folder is None else models_folder
    return tuple(sorted({*_models_in(folder), *_models_in(PRESETS)}))


def read_model_folder(path: Path) -> ModelFolder:
    """Check a folder as far as it can be without opening weights. Raises ModelError."""
    index = _index(path)
    class_name = index["_class_name"]
    kind = PIPELINES.get(class_name) if isinstance(class_name, str) else None
    if kind is None:
        raise ModelError(
            f"Expected a Stable Diffusion 1.x, 2.x or XL model in {path.name}, got {class_name!r}.",
            "Take a text-to-image model of one of these kinds.",
        )
    parts = ["vae", "unet", "text_encoder"] + (["text_encoder_2"] if kind == "sdxl" else [])
    for part in [*parts, "tokenizer", *(["tokenizer_2"] if kind == "sdxl" else []), "scheduler"]:
        if not (path / part).is_dir():
            raise ModelError(
                f"Expected the part {part!r} in the model {path.name}, found none.",
                "Get the whole folder of the model.",
            )
    _check_tokenizers(path)
    unet = _unet(path)
    _check_class(path, "vae")
    if kind == "sd1" and unet.get("cross_attention_dim") == SD2_TEXT_WIDTH:
        kind = "sd2"
    return ModelFolder(
        path=path,
        name=path.name,
        kind=kind,  # type: ignore[arg-type]
        weights={part: _weights(path, part) for part in parts},
        scheduler=_read_json(path / "scheduler" / "scheduler_config.json"),
        unet=unet,
    )


def _models_in(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (p.parent.name for p in folder.glob("*/model_index.json"))


def _index(path: Path) -> dict[str, Any]:
    if path.is_file():
        raise ModelError(
            f"Expected a model's folder, got the file {path.name} ({_describe(path)}).", CONVERT
        )
    if not (path / "model_index.json").is_file():
        unsafe = [p.name for p in path.glob("*") if p.suffix in UNSAFE] if path.is_dir() else []
        found = f"found {unsafe[0]}" if unsafe else "found no model_index.json"
        raise ModelError(
            f"Expected a model in the diffusers layout in {path.name}, {found}.", CONVERT
        )
    index = _read_json(path / "model_index.json")
    if "_class_name" not in index:
        raise ModelError(
            f"Expected model_index.json of {path.name} to name a pipeline, it names none.", CONVERT
        )
    return index


def _check_tokenizers(path: Path) -> None:
    for part in ("tokenizer", "tokenizer_2"):
        folder = path / part
        whole = (folder / "tokenizer.json").is_file() or (
            (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
        )
        if folder.is_dir() and not whole:
            raise ModelError(
                f"Expected vocab.json and merges.txt in {path.name}/{part}, found neither whole.",
                "Get the whole folder of the model.",
            )


def _check_class(path: Path, part: str) -> dict[str, Any]:
    config = _read_json(path / part / "config.json")
    found = config.get("_class_name", NETWORKS[part])
    if found != NETWORKS[part]:
        raise ModelError(
            f"Expected {NETWORKS[part]} as {part} of the model {path.name}, got {found!r}.",
            "Take a Stable Diffusion 1.x, 2.x or XL model.",
        )
    return config


def _unet(path: Path) -> dict[str, Any]:
    config = _check_class(path, "unet")
    takes, gives = config.get("in_channels"), config.get("out_channels")
    latent = _read_json(path / "vae" / "config.json").get("latent_channels", 4)
    if (takes, gives) != (latent, latent):
        raise ModelError(
            f"Expected a UNet with {latent} channels in and out, got {takes} and {gives} in "
            f"{path.name}.",
            "Take the text-to-image model, not its inpainting or depth form.",
        )
    return config


def _weights(path: Path, part: str) -> Weights:
    """Return which safetensors a part has, the plain ones before fp16 ones."""
    stem = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
    for variant in (None, "fp16"):
        dotted = f".{variant}" if variant else ""
        one = path / part / f"{stem}{dotted}.safetensors"
        shards = sorted((path / part).glob(f"{stem}{dotted}-?????-of-?????.safetensors"))
        shards += sorted((path / part).glob(f"{stem}-?????-of-?????{dotted}.safetensors"))
        found = [one] if one.is_file() else list(dict.fromkeys(shards))
        if found:
            return Weights(variant, sum(map(check_safetensors, found)))
    others = [p.name for p in sorted((path / part).iterdir()) if p.suffix in UNSAFE]
    raise ModelError(
        f"Expected {stem}.safetensors in {path.name}/{part}, found "
        f"{', '.join(others) or 'no weights'}.",
        CONVERT if others else "Get the whole folder of the model.",
    )


def check_safetensors(path: Path) -> int:
    """Return how many numbers a file of safetensors holds.

    Raises ModelError unless its bytes are those of safetensors, whatever its name says.

    The form: 8 bytes with the length of a JSON header, the header, then raw numbers to the end.
    """
    with path.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        size = path.stat().st_size
        fits = len(start) == 8 and 2 <= length <= min(size - 8, MAX_HEADER)
        header = stream.read(length) if fits else b""
    try:
        tensors = json.loads(header)
        del tensors["__metadata__"]
    except (ValueError, TypeError):
        tensors = None
    except KeyError:
        pass
    if not isinstance(tensors, dict):
        raise ModelError(
            f"Expected safetensors in {path.name}, found {_describe(path)}.",
            CONVERT,
        )
    try:
        end = 8 + length + max((t["data_offsets"][1] for t in tensors.values()), default=0)
        numbers = sum(int(prod(t["shape"])) for t in tensors.values())
    except (LookupError, TypeError):
        end = numbers = -1
    if end != size:
        raise ModelError(
            f"Expected {path.name} to be whole, its header speaks of {end:,} bytes and there are "
            f"{size:,}.",
            "Get the file again.",
        )
    return numbers


def _describe(path: Path) -> str:
    """Say what a file's first bytes make it."""
    with path.open("rb") as stream:
        start = stream.read(9)
    if start[:2] == b"PK":
        return "a zip, as torch's .ckpt, .pth and .bin files are"
    if start[:1] == b"\x80" and start[1:2] in b"\x01\x02\x03\x04\x05":
        return "a pickle, which could run anything"
    if start[8:9] == b"{":
        return "single-file safetensors"
    if start.startswith(b"version h"):
        return "a pointer of git-lfs instead of the file"
    return "something else"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIGURATION:
            raise ValueError("it is too large")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as err:
        raise ModelError(
            f"Expected JSON in {path.parent.name}/{path.name}, could not read it: {err}.",
            "Get the whole folder of the model.",
        ) from err
    return value
