"""MotionCraft: each frame is the last one's noisy latent, moved by the motion field, denoised.

Source: Aira et al., MotionCraft: physics-based zero-shot video generation, NeurIPS 2024, arXiv
2405.13557. For each frame (its algorithm, names as there):

    zP = INV(z)                    the last frame's clean latent, noised by DDIM inversion to tau
    zW = WARP(zP, flow)            moved once, at tau
    denoise zA, zP, zW in parallel from tau to 0: zW's self-attention reads those of zA (the first
        frame at tau) and zP instead of its own; eta is 1 where the frame shows something new
    z  = what zW has become; the frame is its decoding, moved by less than a cell to its true place

References are denoised by the plain conditional prediction, without noise, so that they retrace
their inversion (the paper gives them their prompt as negative prompt: guidance cancels out). Both
guidance blocks would hold the same references; here they are in the batch once: 4 rows for the
paper's 6, with the same result.

Where it follows renders, z goes a part of the way to the frame's render before it is inverted:
what a model adds to every frame fades then, in place of adding up.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract import methods
from ..contract.errors import ModelError, ShotError
from .attention import CrossFrames, Kept, Reads, read_references
from .carried_picture import CarriedPicture, RenderedPicture
from .detail import add_detail
from .frame_work import FrameWork
from .latent_motion import LatentMotion, LatentWarp
from .latent_warp import warp_latent
from .models import DiffusionModel, crop, pad_to_factor, to_image, to_tensor
from .motion import FrameMotion
from .sampling import Grid, add_noise, ddim_step, invert, join, named_noise, noise_in
from .true_place import to_true_place

WHERE = "MotionCraft"
REFERENCES = {
    "first+previous": ("first", "previous"),
    "first": ("first",),
    "previous": ("previous",),
    "none": (),
}
ANCHOR_BYTES = 1 << 30
ANCHOR_SHARE = 8
"The first frame's keys and values are kept in up to 1 GiB, on a GPU in an eighth of its memory."


class MotionCraft:
    """The frames of one video, made one after the other in constant memory.

    `size` is (width, height) in pixels, of any parity; `check` is called at every step and may
    raise; `progress` hears of every step: (done, total) of the frame at hand. Random numbers
    depend on the seed, the number of the frame and the step alone. Raises ShotError and ModelError
    for what cannot be, before any work.
    """

    def __init__(
        self,
        model: DiffusionModel,
        settings: methods.MotionCraft,
        size: tuple[int, int],
        seed: int,
        check: Callable[[], None],
        progress: Callable[[int, int], None],
    ) -> None:
        if model.latent_consistency:
            raise ModelError(
                f"Expected a model that MotionCraft can invert, {model.name} was distilled for a "
                "few steps (LCM).",
                "Take a model that was not distilled.",
            )
        self._grid = _grid(model, settings)
        self._model = model
        self._settings = settings
        self._size = size
        self._seed = seed
        self._work = FrameWork(check, progress)
        self._text = model.embed([settings.prompt])
        self._negative = model.embed([settings.negative_prompt])
        self._cross = CrossFrames(model)
        self._references = REFERENCES[settings.attention]
        self._in_turn = model.precision.attention_slicing
        rules = settings.novelty
        self._fills = settings.fill == "surroundings"
        self._motion = LatentMotion(
            model.vae_factor,
            settings.warp,
            carry=settings.carry_residual,
            outside=rules.ceiling if rules.out_of_frame else rules.floor,
            fill=self._fills,
        )
        self._settles = settings.settle_picture and settings.warp == "nearest"
        self._frame = 0
        self._anchor: torch.Tensor | None = None
        self._last: torch.Tensor | None = None
        "The last frame: its clean latent or, without re-inversion, its noisy one."
        self._carried: CarriedPicture | RenderedPicture | None = None
        self._kept: list[Kept] | None = None
        "The first frame's keys and values at each step, where they are kept."

    @torch.no_grad()
    def start(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Begin with a picture (H, W, 3), sRGB; return it as the autoencoder gives it back.

        With carried detail that is the picture itself.
        """
        self._check_size(image.shape, "a start picture", depth=(3,))
        self._work.begin(len(self._grid))
        clean = self._encode(image)
        self._anchor, self._carried = self._invert(clean), None
        self._last, self._frame, self._kept = clean, 0, None
        self._motion.restore({})
        self._work.end()
        decoded = self._picture(clean)
        if self._settings.follow == 0 and (self._fills or self._settings.carry_detail):
            self._carried = CarriedPicture(image, fill=self._fills)
        return image if self._settings.carry_detail else decoded

    @torch.no_grad()
    def next(
        self, motion: FrameMotion, render: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Return the next frame (H, W, 3), sRGB, which `motion` leads to.

        `render` (H, W, 3), sRGB, is what it follows where the settings say so, and not read else.
        """
        if self._anchor is None or self._last is None:
            raise ValueError("expected start or restore before the next frame")
        self._check_motion(motion)
        follow = self._settings.follow
        if follow > 0:
            if render is None:
                raise ValueError("expected a render to follow")
            self._check_size(render.shape, "a render", depth=(3,))
            if self._fills or self._settings.carry_detail:
                self._carried = RenderedPicture(render)
        first, keeps = self._frame == 0, self._keeps_anchor()
        steps = len(self._grid)
        inverts = not first and self._settings.reinvert
        warp = self._motion.step(motion)
        begins = self._carried is not None and bool(warp.begins.any())
        retraces = begins and bool((warp.novelty[warp.begins] < 1).any())
        self._work.begin(steps * (1 + inverts + retraces + (keeps and self._kept is None)))
        previous = self._anchor if first else self._last
        if inverts:
            previous = self._invert(self._last)
        if keeps and self._kept is None:
            self._kept = self._record_anchor()
        self._frame += 1
        moved = warp_latent(
            previous, warp, self._settings.warp, restore_variance=self._settings.restore_variance
        )
        if isinstance(self._carried, CarriedPicture):
            self._carried.step(motion)
        if self._carried is not None and begins:
            moved = self._begin(self._carried.picture(), warp, moved, retraces=retraces)
        eta = torch.from_numpy(warp.novelty)[None, None].to(moved.device)
        clean = self._denoise(previous, moved, eta)
        self._last = clean if self._settings.reinvert else moved
        if follow > 0 and render is not None:
            self._last = torch.lerp(clean, self._encode(render).to(clean.dtype), follow)
        self._work.end()
        return self._picture(clean, settle=self._settles)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that later frames depend on; its size does not grow."""
        if self._anchor is None or self._last is None:
            raise ValueError("expected a frame before its state")
        carried = {f"motion_{name}": value for name, value in self._motion.state().items()}
        if isinstance(self._carried, CarriedPicture):
            carried |= {f"carried_{name}": v for name, v in self._carried.state().items()}
        return {
            "frame": np.array(self._frame, np.int64),
            "anchor": self._anchor.cpu().numpy(),
            "last": self._last.cpu().numpy(),
            **carried,
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on as after the frame that `state` was taken at, to the byte."""
        device = self._model.precision.device
        self._frame = int(state["frame"])
        self._anchor = torch.from_numpy(state["anchor"].copy()).to(device)
        self._last = torch.from_numpy(state["last"].copy()).to(device)
        self._motion.restore(_named(state, "motion_"))
        self._carried = None
        if carried := _named(state, "carried_"):
            self._carried = CarriedPicture.restored(carried, fill=self._fills)
        self._kept = None

    def _begin(
        self, picture: NDArray[np.uint8], warp: LatentWarp, moved: torch.Tensor, *, retraces: bool
    ) -> torch.Tensor:
        """Put into the cells that begin what the picture shows there, noised to tau.

        The noise is new as far as the cell is; the rest is the picture's own, by inversion, which
        leads back to it.
        """
        top, device = self._grid.timesteps[0], moved.device
        clean = self._model.encode(_padded(picture, self._model))
        noise = named_noise(tuple(clean.shape), self._seed, self._frame, "uncovered").to(device)
        if retraces:
            own = noise_in(self._grid, top, self._invert(clean), clean)
            new = torch.from_numpy(warp.novelty)[None, None].to(device)
            noise = new * noise + (1 - new.square()).sqrt() * own
        begun = add_noise(self._grid, top, clean, noise)
        there = torch.from_numpy(warp.begins).to(device)
        return torch.where(there, begun.to(moved.dtype), moved)

    def _encode(self, image: NDArray[np.uint8]) -> torch.Tensor:
        generator = None
        if self._settings.posterior == "sample":
            generator = torch.Generator().manual_seed(self._seed)
        return self._model.encode(_padded(image, self._model), generator=generator)

    def _invert(self, clean: torch.Tensor) -> torch.Tensor:
        return invert(
            self._model,
            self._grid,
            clean,
            self._text,
            rounds=self._settings.inversion_rounds,
            on_step=self._work.step,
        )

    def _denoise(
        self, previous: torch.Tensor, moved: torch.Tensor, eta: torch.Tensor
    ) -> torch.Tensor:
        """Denoise the moved latent beside its references, from tau to 0."""
        assert self._anchor is not None
        named = {"first": self._anchor, "previous": previous}
        beside = [named[name] for name in self._references if self._kept is None or name != "first"]
        noisy = bool((eta > 0).any())
        for i, t in enumerate(self._grid.timesteps):
            self._work.step(i)
            kept = self._kept[i] if self._kept is not None else None
            predict = self._predict_in_turn if self._in_turn else self._predict_together
            known, epsilon = predict(t, beside, moved, kept)
            noise = None
            if noisy:
                noise = named_noise(tuple(moved.shape), self._seed, self._frame, i)
                noise = noise.to(moved.device)
            moved = ddim_step(self._grid, i, moved, epsilon, eta=eta if noisy else 0.0, noise=noise)
            beside = [ddim_step(self._grid, i, z, e) for z, e in zip(beside, known, strict=True)]
        if not bool(moved.isfinite().all()):
            raise ModelError(
                f"Expected numbers from {self._model.name} at frame {self._frame}, its "
                "latents left the range.",
                "Lower the guidance, or take another model.",
            )
        return moved

    def _predict_together(
        self, t: int, beside: list[torch.Tensor], moved: torch.Tensor, kept: Kept | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the noise of the references and the guided noise of the new frame, one batch."""
        new = 1 if self._settings.guidance == 1.0 else 2
        reads = read_references(len(self._references), new, itself=self._settings.attend_to_itself)
        texts = [self._text] * (len(beside) + 1) + [self._negative] * (new - 1)
        latents = torch.cat([*beside, *[moved] * new])
        with self._cross.reading(reads[-len(texts) :], kept):
            out = torch.split(self._model.predict(latents, t, join(texts)), 1)
        known = list(out[: len(beside)])
        return known, self._guide(*out[len(beside) :])

    def _predict_in_turn(
        self, t: int, beside: list[torch.Tensor], moved: torch.Tensor, kept: Kept | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Do as `_predict_together`, row by row in a quarter of the memory."""
        known = []
        for z in beside:
            with self._cross.recording() as tape:
                known.append(self._model.predict(z, t, self._text))
            kept = tape if kept is None else _append(kept, tape)
        count = len(self._references)
        reads: Reads = read_references(count, 1, itself=self._settings.attend_to_itself)[-1:]
        out = []
        for text in [self._text, self._negative][: 1 if self._settings.guidance == 1.0 else 2]:
            with self._cross.reading(reads, kept):
                out.append(self._model.predict(moved, t, text))
        return known, self._guide(*out)

    def _guide(self, wanted: torch.Tensor, without: torch.Tensor | None = None) -> torch.Tensor:
        if without is None:
            return wanted
        return without + self._settings.guidance * (wanted - without)

    def _keeps_anchor(self) -> bool:
        """Whether the first frame's keys and values are kept for all frames to come.

        They are the same for every frame, and kept where their size, which follows from model and
        film, is within the bound: the choice must not differ between runs, for the bits depend on
        the size of the batch.
        """
        precision = self._model.precision
        if "first" not in self._references or precision.offload or self._in_turn:
            return False
        bound = ANCHOR_BYTES
        if precision.device.type == "cuda":
            properties = torch.cuda.get_device_properties(precision.device)
            bound = properties.total_memory // ANCHOR_SHARE
        assert self._anchor is not None
        height, width = self._anchor.shape[-2:]
        numbers = self._cross.numbers_a_row(height, width)
        return numbers * precision.dtype.itemsize * len(self._grid) <= bound

    def _record_anchor(self) -> list[Kept]:
        """Denoise the first frame alone and keep what its self-attentions offer at each step."""
        assert self._anchor is not None
        z, kept = self._anchor, []
        for i, t in enumerate(self._grid.timesteps):
            self._work.step(i)
            with self._cross.recording() as tape:
                epsilon = self._model.predict(z, t, self._text)
            kept.append(tape)
            z = ddim_step(self._grid, i, z, epsilon)
        return kept

    def _picture(self, clean: torch.Tensor, *, settle: bool = False) -> NDArray[np.uint8]:
        picture = self._model.decode(clean)
        if settle:
            residual, cells = self._motion.residual, self._motion.cells
            picture = to_true_place(picture, residual, cells, self._model.vae_factor)
        made = to_image(crop(picture, self._size))
        if self._carried is None or not self._settings.carry_detail:
            return made
        moved = self._carried.picture()
        again = self._model.decode(self._encode(moved))
        there = to_image(crop(again, self._size))
        detailed = add_detail(made, moved, there, self._carried.known)
        return np.clip(np.rint(detailed), 0, 255).astype(np.uint8)

    def _check_motion(self, motion: FrameMotion) -> None:
        self._check_size(np.shape(motion.backward), "a motion field", depth=(2,))
        self._check_size(np.shape(motion.novelty), "a novelty map", depth=())
        wrong = "" if np.isfinite(motion.backward).all() else "a motion field of finite numbers"
        low, high = np.min(motion.novelty), np.max(motion.novelty)
        if not (low >= 0 and high <= 1):  # written so that NaN is caught
            wrong = wrong or "novelty from 0 to 1"
        if wrong:
            raise ShotError(
                WHERE,
                f"expected {wrong}, frame {self._frame + 1} has others.",
                "Look for NaN and infinity in the motion's source.",
            )

    def _check_size(self, shape: tuple[int, ...], what: str, *, depth: tuple[int, ...]) -> None:
        width, height = self._size
        if tuple(shape) != (height, width, *depth):
            raise ShotError(
                WHERE,
                f"expected {what} of {(height, width, *depth)}, got {tuple(shape)}.",
                "Give it the film's size.",
            )


def _padded(picture: NDArray[np.uint8], model: DiffusionModel) -> torch.Tensor:
    return pad_to_factor(to_tensor(picture), model.vae_factor)


def _grid(model: DiffusionModel, settings: methods.MotionCraft) -> Grid:
    try:
        return Grid(model.alphas_cumprod, settings.steps, settings.tau)
    except ValueError as err:
        raise ShotError(
            WHERE,
            f"expected at least one step up to tau, got {settings.steps} steps and tau "
            f"{settings.tau:g}.",
            "Take more steps or a larger tau.",
        ) from err


def _named(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return what of a state has the prefix, without it."""
    return {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}


def _append(kept: Kept, more: Kept) -> Kept:
    """Return the tokens of both, layer by layer."""
    return [
        cast(tuple[torch.Tensor, torch.Tensor], tuple(map(torch.cat, zip(a, b, strict=True))))
        for a, b in zip(kept, more, strict=True)
    ]
