"""A network of transformers -> an input for it, of the sizes that its configuration states."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

WORDS = 128  # of a text, where positions allow
TARGET_WORDS = 16  # of what a decoder has written so far
SECOND = 16_000  # samples of sound


def inputs_of(model: nn.Module, sizes: Sequence[int] | None = None) -> dict[str, Any] | None:
    """A mapping of the arguments that the network needs; ``sizes`` are those of the main one.
    None for kinds of input that are not known."""
    config: Any = model.config
    main = str(getattr(model, "main_input_name", "input_ids"))
    taken = inspect.signature(model.forward).parameters
    drawn = main_input(main, config, like(model), sizes)
    if drawn is None:
        return None
    inputs: dict[str, Any] = {main: drawn}
    if main == "input_ids" and "attention_mask" in taken:
        inputs["attention_mask"] = torch.ones_like(drawn)
    if main != "pixel_values" and "pixel_values" in taken and hasattr(config, "vision_config"):
        inputs["pixel_values"] = images(config, like(model), len(drawn))
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in taken:
        inputs["decoder_input_ids"] = words(config, (len(drawn), TARGET_WORDS))
    return inputs


def main_input(
    name: str, config: Any, weight: Tensor, sizes: Sequence[int] | None
) -> Tensor | None:
    """The input that the network is named after."""
    if name == "input_ids":
        return words(config, tuple(sizes or (1, min(WORDS, positions(config)))))
    if sizes is not None:
        return torch.randn(tuple(sizes)).to(weight)
    if name == "pixel_values":
        return images(config, weight, 1)
    if name == "input_features" and hasattr(config, "num_mel_bins"):
        frames = 2 * int(getattr(config, "max_source_positions", 512))
        return torch.randn(1, config.num_mel_bins, frames).to(weight)
    if name == "input_values":
        return torch.randn(1, SECOND).to(weight)
    return None


def words(config: Any, sizes: tuple[int, ...]) -> Tensor:
    """Random words that are not padding, ended as encoders and decoders want it."""
    text = config.get_text_config()
    drawn = torch.randint(0, text.vocab_size, sizes)
    padding, end = getattr(text, "pad_token_id", None), getattr(text, "eos_token_id", None)
    if isinstance(padding, int):
        drawn[drawn == padding] = (padding + 1) % text.vocab_size
    if isinstance(end, int) and getattr(config, "is_encoder_decoder", False):
        drawn[drawn == end] = (end + 1) % text.vocab_size
        drawn[:, -1] = end
    return drawn


def images(config: Any, weight: Tensor, batch: int) -> Tensor:
    """Noise of the size that the network, or its part for images, was trained on."""
    config = getattr(config, "vision_config", config)
    size: Any = getattr(config, "image_size", 224)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    channels = int(getattr(config, "num_channels", 3))
    return torch.randn(batch, channels, height, width).to(weight)


def positions(config: Any) -> int:
    """How long a text may be at most; some count from after the padding."""
    text = config.get_text_config()
    most = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return max(1, int(most) - 2) if most else WORDS


def like(model: nn.Module) -> Tensor:
    """A weight, for its type and place."""
    return next(p for p in model.parameters() if p.is_floating_point()).detach()
