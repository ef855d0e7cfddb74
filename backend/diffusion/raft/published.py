"""Weight files of flow networks: where they lie, whose layout they have; opened by flow_network.

Three layouts are known: ours (as FlowNetwork names its parts), torchvision's (raft_small and
raft_large) and that of the RAFT authors (raft-small, raft-things, with or without the `module.`
that data-parallel training puts before names). Only safetensors files are opened.
"""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...contract.errors import ModelError

PRESETS = Path(__file__).parents[3] / "presets" / "models"
CONFIG = "config.json"
KIND = "FlowNetwork"
FILE = "flow_network.safetensors"

State = dict[str, torch.Tensor]

_GATES = {"z": "update", "r": "reset", "q": "candidate"}
_WEIGHTS = r"\.(weight|bias|running_mean|running_var|num_batches_tracked)$"


def find_weights(name: str, models_folder: Path) -> Path:
    """Return the safetensors file that `name` stands for: a preset's, or of the models folder.

    Raises ModelError where there is none, or where a folder says that it is another kind of model.
    """
    if name != Path(name).name or not name or name == "..":
        raise ModelError(f"Expected the plain name of a flow network, got {name!r}.")
    places = [PRESETS / name, models_folder / name]
    for folder in places:
        if folder.is_dir():
            _check_kind(folder)
            found = sorted(folder.glob("*.safetensors"))
            if len(found) == 1:
                return found[0]
            raise ModelError(
                f"Expected one safetensors file with a flow network in {folder}, got {len(found)}.",
                "Leave the one to use; other formats are not opened.",
            )
    for file in (models_folder / name, models_folder / f"{name}.safetensors"):
        if file.is_file():
            return file
    raise ModelError(
        f"Expected a flow network {name!r}, found none in {models_folder}.",
        f"Put {name}.safetensors there, or choose 'flow', the built-in one.",
    )


def _check_kind(folder: Path) -> None:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind = config["_class_name"]
    except FileNotFoundError:
        kind = KIND  # a folder with nothing but published weights
        if (folder / "model_index.json").exists():
            kind = "diffusion pipeline"
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise ModelError(f"Expected the config of a flow network in {folder / CONFIG}.") from err
    if kind != KIND:
        raise ModelError(f"Expected a flow network in {folder}, got a {kind}.")


def read_weights(path: Path) -> tuple[str, State]:
    """Read a file of one of the three layouts: the network's form, and its state in our names.

    Weights come as float32, whatever they are stored as. Raises ModelError.
    """
    state = in_our_names(_load(path))
    if state.get("update.merge.weight") is None:
        raise ModelError(
            f"Expected a flow network in {path}, got weights of something else.",
            "RAFT in our layout, torchvision's or its authors' can be opened.",
        )
    form = "small" if state["update.merge.weight"].shape[0] == 80 else "large"
    return form, state


def check_weights(expected: State, state: State, path: Path) -> None:
    """Raise ModelError unless `state` has the names and shapes of `expected`, all of it finite."""
    for key, tensor in expected.items():
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, tensor)  # counts training steps; nothing is computed from it
        if key not in state:
            raise ModelError(f"Expected the weights {key} in {path}; they are missing.")
        if state[key].shape != tensor.shape:
            raise ModelError(
                f"Expected {key} of shape {tuple(tensor.shape)} in {path}, "
                f"got {tuple(state[key].shape)}."
            )
        if not bool(torch.isfinite(state[key]).all()):
            raise ModelError(f"Expected finite weights in {path}, got NaN or infinity in {key}.")
    if unknown := sorted(state.keys() - expected.keys()):
        raise ModelError(f"Expected RAFT's weights alone in {path}, got {unknown[0]} as well.")


def _load(path: Path) -> State:
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as err:
        raise ModelError(f"Expected to read {path}: {err.strerror}.") from err
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        raise ModelError(
            f"Expected safetensors, got a pickle: {path}.",
            "A pickle can run anything when it is opened; convert it to safetensors elsewhere.",
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as err:
        raise ModelError(f"Expected a whole safetensors file, got none: {path}.") from err


def in_our_names(state: State) -> State:
    """Return the state as FlowNetwork names it, from any of the three layouts, in float32.

    Keys of none of them stay as they are. Where one weight has two names, as shortcuts' norms have
    in the authors' files, it comes once.
    """
    names = {key: key.removeprefix("module.") for key in state}
    rename = _same
    if any(key.startswith("fnet.") for key in names.values()):
        rename = from_authors
    elif any(key.startswith("feature_encoder.") for key in names.values()):
        rename = from_torchvision
    return {
        rename(names[key]): tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in state.items()
    }


def _same(key: str) -> str:
    return key


def from_authors(key: str) -> str:
    """Translate a name of the RAFT authors' layout."""
    if found := re.match(rf"(fnet|cnet)\.(.+?){_WEIGHTS}", key):
        encoder = {"fnet": "features", "cnet": "context"}[found[1]]
        return f"{encoder}.{_author_part(found[2])}.{found[3]}"
    if found := re.match(rf"update_block\.(.+?){_WEIGHTS}", key):
        return f"{_author_update(found[1])}.{found[2]}"
    return key


def _author_part(part: str) -> str:
    plain = {"conv1": "stem", "norm1": "stem_norm", "conv2": "head"}
    if part in plain:
        return plain[part]
    if found := re.fullmatch(r"layer(\d)\.(\d)\.(.+)", part):
        block = f"blocks.{2 * (int(found[1]) - 1) + int(found[2])}"
        inner = found[3]
        # Norms have weights in the large form alone, whose blocks count the shortcut's as third.
        shortcut = {
            "downsample.0": "shortcut",
            "downsample.1": "shortcut_norm",
            "norm3": "shortcut_norm",
        }
        if inner in shortcut:
            return f"{block}.{shortcut[inner]}"
        if numbered := re.fullmatch(r"(conv|norm)(\d)", inner):
            return f"{block}.{numbered[1]}s.{int(numbered[2]) - 1}"
    return part


def _author_update(part: str) -> str:
    if found := re.fullmatch(r"encoder\.conv([cf])(\d)", part):
        return f"update.{ {'c': 'correlation', 'f': 'flow'}[found[1]] }.{int(found[2]) - 1}"
    if part == "encoder.conv":
        return "update.merge"
    if found := re.fullmatch(r"gru\.conv([zrq])(\d?)", part):
        return f"update.units.{int(found[2] or 1) - 1}.{_GATES[found[1]]}"
    if found := re.fullmatch(r"flow_head\.conv(\d)", part):
        return f"update.head.{int(found[1]) - 1}"
    if found := re.fullmatch(r"mask\.([02])", part):
        return f"upsample.weigh.{int(found[1]) // 2}"
    return f"update_block.{part}"


def from_torchvision(key: str) -> str:
    """Translate a name of torchvision's layout."""
    if found := re.match(rf"(feature|context)_encoder\.(.+?){_WEIGHTS}", key):
        encoder = {"feature": "features", "context": "context"}[found[1]]
        return f"{encoder}.{_torchvision_part(found[2])}.{found[3]}"
    if found := re.match(rf"(update_block|mask_predictor)\.(.+?){_WEIGHTS}", key):
        return f"{_torchvision_update(f'{found[1]}.{found[2]}')}.{found[3]}"
    return key


def _torchvision_part(part: str) -> str:
    plain = {"convnormrelu.0": "stem", "convnormrelu.1": "stem_norm", "conv": "head"}
    if part in plain:
        return plain[part]
    if found := re.fullmatch(r"layer(\d)\.(\d)\.(convnormrelu(\d)|downsample)\.([01])", part):
        block = f"blocks.{2 * (int(found[1]) - 1) + int(found[2])}"
        if found[3] == "downsample":
            return f"{block}.{('shortcut', 'shortcut_norm')[int(found[5])]}"
        return f"{block}.{('convs', 'norms')[int(found[5])]}.{int(found[4]) - 1}"
    return part


def _torchvision_update(part: str) -> str:
    if found := re.fullmatch(r"update_block\.motion_encoder\.conv(corr|flow)(\d)\.0", part):
        kind = {"corr": "correlation", "flow": "flow"}[found[1]]
        return f"update.{kind}.{int(found[2]) - 1}"
    if found := re.fullmatch(r"update_block\.recurrent_block\.convgru(\d)\.conv([zrq])", part):
        return f"update.units.{int(found[1]) - 1}.{_GATES[found[2]]}"
    if found := re.fullmatch(r"update_block\.flow_head\.conv(\d)", part):
        return f"update.head.{int(found[1]) - 1}"
    plain = {
        "update_block.motion_encoder.conv.0": "update.merge",
        "mask_predictor.convrelu.0": "upsample.weigh.0",
        "mask_predictor.conv": "upsample.weigh.1",
    }
    return plain.get(part, part)
