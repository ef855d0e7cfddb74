"""A mask by the Segment Anything model (Kirillov et al., 2023), where its weights are local."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from ...contract.errors import ModelError
from .masks import checked_box, softened
from .picture import Floats, Picture

OPENING = (OSError, ValueError, RuntimeError, TypeError, KeyError, ImportError, SafetensorError)
"What opening a folder that is not what it should be raises in transformers."


def sam_mask(
    picture: Picture, folder: Path, *, box: Sequence[int] | None = None,
    point: Sequence[float] | None = None,
) -> Floats:  # fmt: skip
    """Return the mask (H, W) of what SAM finds in a box, or at a point, in pixels.

    Without either, at the picture's middle. `folder` holds `facebook/sam-vit-*` or what is trained
    like it, in the transformers layout, as safetensors; nothing is fetched. Of the masks that it
    offers the one that it trusts most is taken. Raises ModelError, LiftError.
    """
    import torch

    processor, model = _open(folder)
    width, height = picture.size
    prompt: dict[str, Any]
    if box is not None:
        prompt = {"input_boxes": [[[float(edge) for edge in checked_box(picture, box)]]]}
    else:
        place = [float(value) for value in point or (width / 2, height / 2)]
        prompt = {"input_points": [[place]]}
    image = (255 * picture.color).round().astype(np.uint8)
    inputs = processor(images=image, return_tensors="pt", **prompt)
    sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
    inputs = {name: value for name, value in inputs.items()
              if name in ("pixel_values", "input_boxes", "input_points")}  # fmt: skip
    inputs = {name: value.float() for name, value in inputs.items()}
    with torch.no_grad():
        found = model(**inputs, multimask_output=True)
    masks = processor.post_process_masks(found.pred_masks, *sizes)[0]
    best = int(found.iou_scores.flatten().argmax())
    inside = masks.reshape(-1, *masks.shape[-2:])[best].numpy().astype(bool)
    return softened(inside)


def _open(folder: Path) -> tuple[Any, Any]:
    from transformers import SamModel, SamProcessor

    try:
        processor: Any = SamProcessor.from_pretrained(folder, local_files_only=True)
        model, report = SamModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except OPENING as err:
        raise ModelError(
            f"Expected SAM in the transformers layout in {folder.name}, got: "
            f"{(str(err).strip().splitlines() or ['nothing'])[0]}",
            "Get the whole folder of a model such as facebook/sam-vit-base.",
        ) from err
    if absent := [*report["missing_keys"], *report["mismatched_keys"]]:
        raise ModelError(
            f"Expected all weights of SAM in {folder.name}, {len(absent)} are missing or of "
            f"another shape, such as {absent[0]}.",
            "Get the folder of the model again.",
        )
    return processor, model.eval()
