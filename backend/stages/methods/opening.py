"""A method's model, opened when it is first needed; leaner, once, when the memory runs out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ...contract.arrays import Array
from ...contract.errors import MemoryShortError
from ...contract.methods import GeneratedStart
from ...contract.shot import Film
from ..device import start_device
from ..progress import StageClock
from .needs import Needs

if TYPE_CHECKING:
    from ...diffusion.models import DiffusionModel

T = TypeVar("T")

CPU_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory", "bad_alloc")
"What torch says in a plain RuntimeError when a processor's memory is out."


class Opened:
    """The model of one shot, for pictures of its film; imports torch.

    `place` says in words what results depend on beside the input: device, torch, threads.
    """

    def __init__(self, needs: Needs, film: Film, clock: StageClock) -> None:
        from ...diffusion.determinism import settle

        self._needs, self._film, self._clock = needs, film, clock
        self._device = start_device().name
        self.place = f"{self._device}, {settle()}"
        self._model: DiffusionModel | None = None
        self._lean = False

    @property
    def model(self) -> "DiffusionModel":
        """The model; another one after memory ran out. Raises ModelError, ResourceError."""
        if self._model is None:
            self._model = self._open()
        return self._model

    def attempt(self, act: Callable[[], T], forget: Callable[[], None] = lambda: None) -> T:
        """Do what needs the model; when the memory runs out, once more with the model leaner.

        Leaner: attention in slices and parts moved to the device one by one. `forget` lets go of
        what holds the model before. Raises MemoryShortError when that was not enough.
        """
        try:
            return act()
        except (MemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            if self._lean:
                raise self._short() from error
        # Outside of the handler: the error's trace holds on to what filled the memory.
        forget()
        self._model, self._lean = None, True
        self._clock.log(
            "warning", "The memory was not enough: going on with attention in slices, and slower."
        )
        return self.attempt(act, forget)

    def generate(
        self, texts: tuple[str, str], start: GeneratedStart, film: Film, seed: int
    ) -> Array:
        """Return a picture u1 (h, w, 3) of a prompt and a negative prompt."""
        from ...diffusion.generation import generate

        return generate(
            self.model,
            *texts,
            (film.width, film.height),
            steps=start.steps,
            guidance=start.guidance,
            seed=seed,
            on_step=lambda _: self._clock.check(),
        )

    def _open(self) -> "DiffusionModel":
        from ...diffusion.models import DiffusionModel, open_model, with_precision

        assert self._needs.model is not None
        self._clock.check()
        width, height = self._film.width, self._film.height
        model = open_model(self._needs.model.path, width=width, height=height, device=self._device)
        if self._lean:
            on_gpu = model.precision.device.type != "cpu"
            lean = with_precision(model.precision, attention_slicing=True, offload=on_gpu)
            del model
            return DiffusionModel(self._needs.model, lean)
        return model

    def _short(self) -> MemoryShortError:
        return MemoryShortError(
            f"The memory was not enough for {self._film.width} x {self._film.height}, not even "
            "with attention in slices.",
            "Lower the resolution, take a smaller model, or close other programs.",
        )


def _is_memory(error: BaseException) -> bool:
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in CPU_OUT_OF_MEMORY)
