"""Masks and depth from models of transformers: their own classes, tiny and random, from folders."""

from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.errors import ModelError
from impetus.backend.stages.lifts.depth_maps import estimated_depth
from impetus.backend.stages.lifts.sam import sam_mask

from .lift_cases import disc, painted


def write_sam(folder: Path) -> None:
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    config = SamConfig(
        vision_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 64, "patch_size": 16, "output_channels": 16,
                       "num_pos_feats": 8,
                       "window_size": 2, "global_attn_indexes": [1], "mlp_dim": 32},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16,
                               "image_embedding_size": 4, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                             "mlp_dim": 32, "iou_head_hidden_dim": 16,
                             "attention_downsample_rate": 1},
    )  # fmt: skip
    SamModel(config).save_pretrained(folder)
    image = SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    SamProcessor(image).save_pretrained(folder)


def write_depth_model(folder: Path) -> None:
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    config = DPTConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32,
        image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 16, 16], fusion_hidden_size=16, is_hybrid=False,
    )  # fmt: skip
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


@pytest.mark.parametrize("prompt", [{"box": (6, 6, 90, 90)}, {"point": (40.0, 50.0)}, {}])
def test_sam_answers_in_the_size_of_the_picture(tmp_path: Path, prompt: dict[str, object]) -> None:
    write_sam(tmp_path)
    mask = sam_mask(painted(disc()), tmp_path, **prompt)  # type: ignore[arg-type]
    assert mask.shape == (96, 96)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1


def test_a_depth_model_answers_in_the_size_of_the_picture(tmp_path: Path) -> None:
    write_depth_model(tmp_path)
    depth = estimated_depth(painted(disc()), tmp_path)
    assert depth.values.shape == (96, 96)
    assert depth.kind == "disparity"
    assert np.isfinite(depth.values).all()
    assert np.ptp(depth.values) > 0


def test_folders_without_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Expected SAM"):
        sam_mask(painted(disc()), tmp_path)
    with pytest.raises(ModelError, match="Expected a depth model"):
        estimated_depth(painted(disc()), tmp_path)
    write_sam(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not these")
    with pytest.raises(ModelError, match="Expected SAM"):
        sam_mask(painted(disc()), tmp_path)
