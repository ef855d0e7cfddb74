"""The networks of the model in the box: sizes and make-up; trained by autoencoder and denoiser.

Plain diffusers and transformers classes in the make-up of Stable Diffusion 1 (Rombach et al. 2022,
arXiv 2112.10752), made small enough for two processor cores: most weights sit at the coarse
levels, where they cost little time.
"""

import json
from collections.abc import Iterable

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..contract.errors import ImpetusError

NATIVE_SIZE = 128  # px, the side of the pictures that the model makes when nothing else is asked
LATENT_CHANNELS = 4
TEXT_WIDTH = 128
TOKENS = 77  # length of a prompt, as in CLIP
VAE_WIDTHS = {8: (32, 64, 96, 128), 4: (32, 64, 128)}
UNET_WIDTHS = (48, 96, 224)
UNET_HEADS = (1, 2, 4)  # 48 to 56 channels a head: fewer maps of attention, which cost most
START, END = "<|startoftext|>", "<|endoftext|>"


class TrainingError(ImpetusError):
    """Raised for what a training cannot start or go on with."""

    code = "TRAINING"


def make_vae(factor: int = 8) -> AutoencoderKL:
    """Return a random autoencoder that shrinks pictures `factor` (8 or 4) times.

    It has no attention: a latent depends on its neighbourhood alone, so that latents can be
    warped as pictures can.
    """
    if factor not in VAE_WIDTHS:
        raise TrainingError(f"Expected a factor of 8 or 4, got {factor!r}.", "Choose one.")
    widths = VAE_WIDTHS[factor]
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,  # many groups would normalise the very colours away
        mid_block_add_attention=False,
        sample_size=NATIVE_SIZE,
        scaling_factor=1.0,  # measured once trained
    )


def make_unet() -> UNet2DConditionModel:
    """Return a random denoiser: three levels, self- and cross-attention in each."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=UNET_WIDTHS,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        layers_per_block=1,
        attention_head_dim=UNET_HEADS,  # diffusers' name for the number of heads
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=16,
    )


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return a random text encoder over the tokenizer's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            projection_dim=TEXT_WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def make_scheduler() -> DDIMScheduler:
    """Return the noise schedule of Stable Diffusion 1, with the prediction of its version 2."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
    )


def make_tokenizer(captions: Iterable[str], *, size: int = 2048) -> CLIPTokenizer:
    """Return a CLIP tokenizer whose byte-pair merges are learnt from `captions`, lower-cased.

    Laid out as CLIP's: the 256 bytes, the bytes that end a word, the merges, two marks. Words that
    no caption has fall apart into bytes, so every prompt has tokens. `size` bounds the vocabulary.
    """
    learnt: Tokenizer = CLIPTokenizer().backend_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=max(size - len(letters) - 2, 2 * len(letters)),
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learnt.train_from_iterator(sorted(set(captions)), trainer)
    merges = _merges(learnt)
    words = letters + [f"{letter}</w>" for letter in letters]
    words += list(dict.fromkeys(left + right for left, right in merges))
    vocabulary = {word: index for index, word in enumerate([*words, START, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]
