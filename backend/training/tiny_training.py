"""`impetus train tiny`: the autoencoder, then the denoiser on its latents, then the folder."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from .architecture import NATIVE_SIZE, TrainingError, make_scheduler, make_tokenizer, make_vae
from .autoencoder import (
    latent_deviation,
    round_trip,
    signal_to_noise,
    start_steadily,
    train_autoencoder,
)
from .data_set import DataSet
from .denoiser import Denoiser, train_denoiser
from .latent_store import LatentStore, encode_pictures, load_latents, save_latents
from .loop import LoopSettings, begin_with, load_average
from .packaging import INDEX, write_pipeline
from .picture_store import PictureStore, held_out_tensors
from .plots import Picture, as_picture, plot_losses, write_sheet
from .run_state import RunState

FEWEST_PICTURES = 32
Part = Literal["all", "autoencoder", "denoiser", "package"]


@dataclass(frozen=True)
class TinyTraining:
    """What to train, from what and for how long; `steps` instead of minutes where given.

    Once there is a denoiser, the autoencoder's latents are what it knows: from then on the decoder
    alone is trained, and with part `all` the autoencoder is left as it is.
    """

    data: Path
    state: Path
    out: Path | None = None
    part: Part = "all"
    autoencoder_minutes: float = 60.0
    denoiser_minutes: float = 60.0
    steps: int | None = None
    factor: int = 8
    seed: int = 0
    threads: int | None = None
    device: str = "cpu"
    workers: int = 1  # batches learnt from at a time, each by one thread
    start: Path | None = None  # a model folder, whose weights a new run begins with
    sheet: int = 8  # pictures on the sheets that show how far it is

    def run(self, say: Callable[[str], None]) -> None:
        """Train, or go on training. Raises TrainingError."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if self.start is not None and not self.state.exists():
            say(f"Beginning with the weights in {self.start}.")
            self._begin(self.start)
        if self.part in ("all", "autoencoder"):
            self._train_autoencoder(say)
        if self.part in ("all", "denoiser"):
            self._train_denoiser(say)
        if self.out is not None and self.factor == 8:
            say(f"Writing the model to {self.out}.")
            vae, denoiser, tokenizer = load_trained(self.state)
            write_pipeline(
                self.out,
                vae=vae,
                unet=denoiser.unet,
                text_encoder=denoiser.text_encoder,
                tokenizer=tokenizer,
            )

    def _begin(self, folder: Path) -> None:
        """Lay a model, or its autoencoder alone, out as a training whose first leg has ended."""
        fresh = self.state.with_name(f"{self.state.name}.tmp")
        shutil.rmtree(fresh, ignore_errors=True)
        vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
        vae.save_pretrained(vae_folder(fresh))
        begin_with(vae, RunState(fresh, "autoencoder_8"))
        if (folder / INDEX).is_file():
            model = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
            model.tokenizer.save_pretrained(fresh / "tokenizer")
            denoiser = Denoiser(model.tokenizer)
            denoiser.unet, denoiser.text_encoder = model.unet, model.text_encoder
            begin_with(denoiser, RunState(fresh, "denoiser"))
        fresh.rename(self.state)

    def _train_autoencoder(self, say: Callable[[str], None]) -> None:
        state = RunState(self.state, f"autoencoder_{self.factor}")
        known = self.factor == 8 and (self.state / "denoiser.safetensors").exists()
        if known and self.part == "all":
            return
        pictures = self._pictures()
        part = "the decoder" if known else "the autoencoder"
        say(f"Training {part} on {len(pictures.shown)} pictures.")
        torch.manual_seed(self.seed)
        vae = train_autoencoder(
            pictures,
            state,
            self._loop(self.autoencoder_minutes, learning_rate=1e-3),
            factor=self.factor,
            device=self.device,
            vae=start_steadily(make_vae(self.factor)),
            decoder_alone=known,
            on_sheet=lambda vae, step: self._show_autoencoder(vae, state, say),
        )
        folder = vae_folder(self.state, self.factor)
        if known:
            scale = load_vae(self.state).config.scaling_factor
        else:
            scale = 1 / latent_deviation(vae, pictures)
            (self.state / "latents.safetensors").unlink(missing_ok=True)
        vae.register_to_config(scaling_factor=scale)
        vae.save_pretrained(folder)

    def _train_denoiser(self, say: Callable[[str], None]) -> None:
        state = RunState(self.state, "denoiser")
        vae, latents, tokenizer = self._latents(say)
        count = sum(len(shape.captions) for shape in latents.shapes.values())
        say(f"Training the denoiser on {count} pictures' latents, {len(tokenizer)} tokens.")
        train_denoiser(
            latents,
            state,
            self._loop(self.denoiser_minutes, learning_rate=8e-4),
            tokenizer=tokenizer,
            device=self.device,
            on_sheet=lambda denoiser, step: self._show_denoiser(vae, denoiser, tokenizer, state),
        )

    def _latents(
        self, say: Callable[[str], None]
    ) -> tuple[AutoencoderKL, LatentStore, CLIPTokenizer]:
        """Return autoencoder, latents and tokenizer, each made once and then kept."""
        vae = load_vae(self.state).to(self.device)
        kept = self.state / "latents.safetensors"
        if not kept.exists() or self._has_grown(load_latents(kept)):
            pictures = self._pictures()
            say(f"Encoding {len(pictures.shown)} pictures.")
            save_latents(kept, encode_pictures(vae, pictures, mirror=True))
        latents = load_latents(kept)
        folder = self.state / "tokenizer"
        if not folder.exists():
            captions = [text for shape in latents.shapes.values() for text in shape.captions]
            fresh = folder.with_suffix(".tmp")
            shutil.rmtree(fresh, ignore_errors=True)
            make_tokenizer(captions).save_pretrained(fresh)
            fresh.rename(folder)
        return vae, latents, CLIPTokenizer.from_pretrained(folder, local_files_only=True)

    def _has_grown(self, latents: LatentStore) -> bool:
        """Tell whether the data has pictures that are not among the latents."""
        return self.data.is_dir() and len(DataSet(self.data).stills()) > latents.pictures

    def _pictures(self) -> PictureStore:
        pictures = PictureStore(DataSet(self.data))
        if len(pictures.shown) < FEWEST_PICTURES:
            raise TrainingError(
                f"Expected {FEWEST_PICTURES} pictures in {self.data}, got {len(pictures.shown)}.",
                "Run impetus train data.",
            )
        return pictures

    def _loop(self, minutes: float, *, learning_rate: float) -> LoopSettings:
        return LoopSettings(
            minutes=minutes,
            steps=self.steps,
            seed=self.seed,
            learning_rate=learning_rate,
            workers=self.workers,
        )

    def _show_autoencoder(
        self, vae: AutoencoderKL, state: RunState, say: Callable[[str], None]
    ) -> None:
        """Draw the curves, and held-out pictures above their round trips."""
        plot_losses(state, self.state / f"{state.name}_losses.png")
        held_out = PictureStore(DataSet(self.data), held_out=True, limit=self.sheet)
        whole = [t.to(self.device) for t in held_out_tensors(held_out, 128)]
        if whole:
            tensors = [t[:, :3] for t in whole]
            rows = [tensors, [round_trip(vae, t) for t in tensors]]
            decoded, wanted = torch.cat(rows[1]), torch.cat(whole)
            noise = signal_to_noise(decoded, wanted[:, :3], wanted[:, 3:])
            say(f"Round trip of {len(whole)} held-out pictures: {noise:.2f} dB on objects.")
            shown = [[as_picture(t) for t in row] for row in rows]
            write_sheet(self.state / f"{state.name}_sheet.png", shown, [])

    def _show_denoiser(
        self, vae: AutoencoderKL, denoiser: Denoiser, tokenizer: CLIPTokenizer, state: RunState
    ) -> None:
        """Draw the curves, and samples for the captions of held-out pictures."""
        plot_losses(state, self.state / f"{state.name}_losses.png")
        held_out = PictureStore(DataSet(self.data), held_out=True, limit=self.sheet)
        captions = [one.caption for one in held_out.shown]
        if captions:
            samples = sample(vae, denoiser, tokenizer, captions)
            rows = [samples[i : i + 4] for i in range(0, len(samples), 4)]
            write_sheet(self.state / f"{state.name}_sheet.png", rows, captions)


def vae_folder(state: Path, factor: int = 8) -> Path:
    """Return where a training keeps its finished autoencoder."""
    return state / f"vae_{factor}"


def load_vae(state: Path, factor: int = 8) -> AutoencoderKL:
    """Return the finished autoencoder of a training. Raises TrainingError."""
    folder = vae_folder(state, factor)
    if not folder.exists():
        raise TrainingError(
            f"Expected a trained autoencoder in {folder}, got none.",
            f"Run impetus train tiny --part autoencoder --factor {factor}.",
        )
    vae = AutoencoderKL.from_pretrained(folder, local_files_only=True)
    return vae.eval().requires_grad_(False)


def load_trained(state: Path) -> tuple[AutoencoderKL, Denoiser, CLIPTokenizer]:
    """Return what a training has made so far. Raises TrainingError."""
    if not (state / "denoiser.safetensors").exists():
        raise TrainingError(
            f"Expected a trained denoiser in {state}, got none.", "Run impetus train tiny."
        )
    tokenizer = CLIPTokenizer.from_pretrained(state / "tokenizer", local_files_only=True)
    denoiser = load_average(RunState(state, "denoiser"), Denoiser(tokenizer))
    return load_vae(state), denoiser, tokenizer


def sample(
    vae: AutoencoderKL,
    denoiser: Denoiser,
    tokenizer: CLIPTokenizer,
    captions: list[str],
    *,
    steps: int = 30,
    guidance: float = 3.0,
    seed: int = 0,
) -> list[Picture]:
    """Return one picture of the native size for each caption."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        unet=denoiser.unet,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        captions,
        height=NATIVE_SIZE,
        width=NATIVE_SIZE,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images
    return [np.rint(255 * picture).astype(np.uint8) for picture in made]
