"""A latent diffusion model: pictures to latents and back, prompts to embeddings, noise predicted.

Stable Diffusion 1.x, 2.x and XL from folders in the diffusers layout, opened offline; diffusers'
and transformers' own classes hold the networks. Latents stay 32 bit outside the networks, whatever
these compute in: DDIM inversion adds up hundreds of small steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..contract.errors import ModelError
from .model_folder import Kind, ModelFolder, find_model, read_model_folder
from .precision import Precision, choose_precision

Prediction = Literal["epsilon", "v_prediction"]
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Text:
    """Embedded prompts, one row each."""

    embeddings: torch.Tensor
    "(B, L, C)."
    pooled: torch.Tensor | None = None
    "(B, P), XL's second condition."

    def rows(self, *indices: int) -> "Text":
        """Return the rows of these indices, in this order, repeated where an index is."""
        pooled = None if self.pooled is None else self.pooled[list(indices)]
        return Text(self.embeddings[list(indices)], pooled)

    def __len__(self) -> int:
        return self.embeddings.shape[0]


class DiffusionModel:
    """An opened model. Its networks are frozen and in evaluation mode; gradients reach inputs."""

    def __init__(self, folder: ModelFolder, precision: Precision) -> None:
        self.name = folder.name
        self.kind: Kind = folder.kind
        self.precision = precision
        self.latent_consistency = folder.latent_consistency
        self.prediction, self.alphas_cumprod = _schedule(folder)
        self.vae = _open(AutoencoderKL, folder, "vae", precision.dtype)
        self.unet = _open(UNet2DConditionModel, folder, "unet", precision.dtype)
        self.text_encoders = [_open(CLIPTextModel, folder, "text_encoder", precision.dtype)]
        if folder.kind == "sdxl":
            second = _open(CLIPTextModelWithProjection, folder, "text_encoder_2", precision.dtype)
            self.text_encoders.append(second)
        self.tokenizers = _tokenizers(folder)
        self.vae_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.latent_channels = int(self.vae.config.latent_channels)
        self._scale = float(self.vae.config.scaling_factor)
        self._shift = float(self.vae.config.shift_factor or 0.0)
        self._placed()

    @property
    def parameters(self) -> int:
        """How many numbers all networks have together."""
        return sum(p.numel() for part in self._parts() for p in part.parameters())

    def _parts(self) -> list[torch.nn.Module]:
        return [self.vae, self.unet, *self.text_encoders]

    def _placed(self) -> None:
        """Move the parts to where they live, and apply what `precision` says."""
        chosen = self.precision
        if chosen.dtype == torch.float16 and self.vae.config.force_upcast:
            self.vae.to(dtype=torch.float32)  # XL's decoder leaves the range of 16 bit
        for part in self._parts():
            part.eval().requires_grad_(False)
            if not chosen.offload:
                part.to(chosen.device)
        if chosen.channels_last:
            for part in (self.vae, self.unet):
                part.to(memory_format=torch.channels_last)
        if chosen.attention_slicing:
            self.unet.set_attention_slice("auto")
            self.vae.enable_slicing()
        self._predict: Any = torch.compile(self.unet) if chosen.compile else self.unet

    def _on_device(self, part: torch.nn.Module) -> None:
        """Have this part on the device, and with offloading only this one."""
        if not self.precision.offload:
            return
        for other in self._parts():
            if other is not part and next(other.parameters()).device.type != "cpu":
                other.to("cpu")
        part.to(self.precision.device)

    def encode(
        self, image: torch.Tensor, *, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return scaled latents (B, C, H/8, W/8) of pictures (B, 3, H, W) in [-1, 1].

        A sample of the posterior with a generator (on any device), its mode without. Height and
        width must be multiples of `vae_factor` (pad_to_factor).
        """
        self._on_device(self.vae)
        posterior = self.vae.encode(image.to(self.precision.device, self.vae.dtype)).latent_dist
        latents = posterior.mode().float()
        if generator is not None:
            noise = torch.randn(latents.shape, generator=generator, device=generator.device)
            latents = latents + posterior.std.float() * noise.to(latents.device)
        return cast(torch.Tensor, (latents - self._shift) * self._scale)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, H, W), about [-1, 1] and not clamped, of scaled latents."""
        self._on_device(self.vae)
        unscaled = latents.to(self.precision.device) / self._scale + self._shift
        picture = self.vae.decode(unscaled.to(self.vae.dtype)).sample
        return cast(torch.Tensor, picture.float())

    def embed(self, prompts: Sequence[str], *, clip_skip: int = 0) -> Text:
        """Return the embeddings of prompts; `clip_skip` leaves out so many of CLIP's last layers.

        What is longer than the tokenizer's 77 tokens is cut there.
        """
        parts, pooled = [], None
        for tokenizer, encoder in zip(self.tokenizers, self.text_encoders, strict=True):
            self._on_device(encoder)
            tokens = tokenizer(
                list(prompts), padding="max_length", max_length=tokenizer.model_max_length,
                truncation=True, return_tensors="pt",
            )  # fmt: skip
            with torch.no_grad():
                out = encoder(tokens.input_ids.to(self.precision.device), output_hidden_states=True)
            if self.kind == "sdxl":
                parts.append(out.hidden_states[-(clip_skip + 2)])
                pooled = out[0]
            elif clip_skip:
                skipped = out.hidden_states[-(clip_skip + 1)]
                parts.append(_final_norm(encoder)(skipped))
            else:
                parts.append(out[0])
        return Text(torch.cat(parts, dim=-1), pooled)

    def predict(
        self,
        latents: torch.Tensor,
        timestep: int,
        text: Text,
        *,
        embedded_guidance: float | None = None,
    ) -> torch.Tensor:
        """Return the predicted noise epsilon (B, C, h, w), 32 bit, whatever the model predicts.

        A `text` of one row serves all rows of latents. `embedded_guidance` is what a distilled
        model (LCM) takes as its guidance scale.
        """
        self._on_device(self.unet)
        latents = latents.to(self.precision.device)
        rows = latents.shape[0]
        if len(text) == 1 and rows > 1:
            text = text.rows(*[0] * rows)
        entering = latents.to(self.precision.dtype)
        if self.precision.channels_last:
            entering = entering.contiguous(memory_format=torch.channels_last)
        steps = torch.full((rows,), timestep, device=latents.device)
        out = self._predict(
            entering,
            steps,
            encoder_hidden_states=text.embeddings,
            added_cond_kwargs=self._added(latents, text),
            timestep_cond=self._guidance_condition(embedded_guidance, rows),
            return_dict=False,
        )[0].float()
        if self.prediction == "epsilon":
            return cast(torch.Tensor, out)
        alpha = float(self.alphas_cumprod[timestep])
        return cast(torch.Tensor, alpha**0.5 * out + (1 - alpha) ** 0.5 * latents)

    def _added(self, latents: torch.Tensor, text: Text) -> dict[str, torch.Tensor] | None:
        """Return XL's further conditions: pooled text, and sizes as if nothing was cropped."""
        if text.pooled is None:
            return None
        height, width = (side * self.vae_factor for side in latents.shape[-2:])
        ids = torch.tensor(
            [[height, width, 0, 0, height, width]], dtype=text.pooled.dtype, device=latents.device
        )
        return {"text_embeds": text.pooled, "time_ids": ids.expand(latents.shape[0], -1)}

    def _guidance_condition(self, guidance: float | None, rows: int) -> torch.Tensor | None:
        """Embed (guidance - 1) * 1000 by sines, as latent consistency distillation does."""
        width = self.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scale = 1000.0 * ((1.0 if guidance is None else guidance) - 1.0)
        rates = torch.exp(torch.arange(width // 2) * -(np.log(10_000.0) / (width // 2 - 1)))
        angles = scale * rates
        row = F.pad(torch.cat([angles.sin(), angles.cos()]), (0, width % 2))
        return row.expand(rows, -1).to(self.precision.device, self.precision.dtype)


def load_model(
    name: str,
    models_folder: Path | None = None,
    *,
    width: int = 256,
    height: int = 144,
    device: str = "auto",
) -> DiffusionModel:
    """Open a model by its name: a folder of the user's models folder, or a preset such as tiny.

    Width and height are those of the pictures to come; memory measures depend on them. Raises
    ModelError, ResourceError.
    """
    return open_model(find_model(name, models_folder), width=width, height=height, device=device)


def open_model(
    path: Path, *, width: int = 256, height: int = 144, device: str = "auto"
) -> DiffusionModel:
    """Open the model in a folder. Raises ModelError, ResourceError."""
    folder = read_model_folder(path)
    parameters = sum(weights.numbers for weights in folder.weights.values())
    return DiffusionModel(folder, choose_precision(parameters, width, height, device))


def with_precision(precision: Precision, **changes: Any) -> Precision:
    """Return a choice with parts of it changed by hand."""
    return replace(precision, **changes)


def to_tensor(image: NDArray[Any]) -> torch.Tensor:
    """Return a picture (H, W, 3), sRGB, u1 or f4 in [0, 1], as (1, 3, H, W) f4 in [-1, 1]."""
    scale = 255.0 if image.dtype == np.uint8 else 1.0
    values = np.ascontiguousarray(image[..., :3], dtype=np.float32) / np.float32(scale)
    return torch.from_numpy(values * 2 - 1).permute(2, 0, 1)[None].contiguous()


def to_image(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """Return the first picture of (B, 3, H, W) in [-1, 1] as u1 (H, W, 3)."""
    picture = (tensor[0].detach().float().clamp(-1, 1) + 1) * 127.5
    return cast(NDArray[np.uint8], picture.round().byte().permute(1, 2, 0).cpu().numpy())


def pad_to_factor(image: torch.Tensor, factor: int = 8) -> torch.Tensor:
    """Grow pictures (B, C, H, W) at the right and the bottom to multiples of `factor`.

    What is added mirrors the picture, so that networks see nothing foreign; `crop` undoes it.
    """
    height, width = image.shape[-2:]
    right, bottom = -width % factor, -height % factor
    if not (right or bottom):
        return image
    mode = "reflect" if right < width and bottom < height else "replicate"
    return F.pad(image, (0, right, 0, bottom), mode=mode)


def crop(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Cut pictures (B, C, H, W) back to (width, height)."""
    return image[..., : size[1], : size[0]]


def _open(cls: Any, folder: ModelFolder, part: str, dtype: torch.dtype) -> Any:
    """Open one network with its own class, and see that every weight was there."""
    try:
        network, report = cls.from_pretrained(
            folder.path / part,
            variant=folder.weights[part].variant,
            torch_dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as err:
        raise ModelError(
            f"Expected {part} of the model {folder.name} to open, got: {_first_line(err)}",
            "Get the folder of the model again, or take another model.",
        ) from err
    absent = [*report["missing_keys"], *report["mismatched_keys"]]
    if absent:
        raise ModelError(
            f"Expected all weights of {part} in the model {folder.name}, {len(absent)} are "
            f"missing or of another shape, such as {absent[0]}.",
            "Get the folder of the model again.",
        )
    return network


def _tokenizers(folder: ModelFolder) -> list[Any]:
    parts = ["tokenizer", "tokenizer_2"] if folder.kind == "sdxl" else ["tokenizer"]
    try:
        return [
            CLIPTokenizer.from_pretrained(folder.path / part, local_files_only=True)
            for part in parts
        ]
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as err:
        raise ModelError(
            f"Expected the tokenizer of the model {folder.name} to open, got: {_first_line(err)}",
            "Get the folder of the model again.",
        ) from err


def _schedule(folder: ModelFolder) -> tuple[Prediction, torch.Tensor]:
    """Return what the UNet predicts, and alpha-bar of the 1000 training steps, f64."""
    prediction = folder.scheduler.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ModelError(
            f"Expected a model that predicts {' or '.join(PREDICTIONS)}, {folder.name} predicts "
            f"{prediction!r}.",
            "Take another model.",
        )
    try:
        scheduler = cast(Any, DDIMScheduler).from_config(dict(folder.scheduler))
    except (ValueError, TypeError, NotImplementedError) as err:
        raise ModelError(
            f"Expected a noise schedule in {folder.name}, got: {_first_line(err)}",
            "Get the folder of the model again.",
        ) from err
    return cast(Prediction, prediction), scheduler.alphas_cumprod.double()


def _final_norm(encoder: Any) -> Any:
    inner = getattr(encoder, "text_model", encoder)
    return inner.final_layer_norm


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:200]
