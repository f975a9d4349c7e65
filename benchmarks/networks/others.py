"""Networks of timm and transformers with random weights, each with a small input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch

from benchmarks.networks.ordinary import Made

PIXELS = {
    "vit_tiny_patch16_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "mixer_s32_224": 224,
    "inception_v3": 96,
}
TIMM = (
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "mobilenetv2_100",
    "mobilenetv3_small_100",
    "efficientnet_lite0",
    "tf_efficientnet_b0",
    "convnext_tiny",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "densenet121",
    "regnety_002",
    "vgg16_bn",
    "nf_resnet50",
    "resnetv2_50x1_bit",
    "mixer_s32_224",
    "inception_v3",
    "ghostnet_100",
    "repvgg_a0",
)


def of_timm(name: str) -> Made:
    """A network by its name, for small images where it takes any size."""
    size = PIXELS.get(name, 64)
    return import_module("timm").create_model(name), torch.randn(1, 3, size, size)


def of_transformers(name: str, settings: Mapping[str, Any], example: Callable[[], Any]) -> Made:
    """A network by the name of its class, with settings of its configuration."""
    library = import_module("transformers")
    cls = getattr(library, name)
    return cls(cls.config_class(**settings)), example()


def tokens(count: int = 1000, **more: Any) -> Callable[[], Any]:
    """Twelve of these words, and whatever else the network takes."""
    return lambda: {"input_ids": torch.randint(10, count, (1, 12)), **more}


def both() -> Any:
    """Words for an encoder and for a decoder."""
    ids = torch.randint(10, 1000, (1, 12))
    return {"input_ids": ids, "decoder_input_ids": ids[:, :5], "use_cache": False}


def heard() -> Any:
    """A spectrogram of 30 s, and words for the decoder."""
    words = torch.randint(10, 1000, (1, 5))
    return {
        "input_features": torch.randn(1, 80, 3000),
        "decoder_input_ids": words,
        "use_cache": False,
    }


def seen(size: int) -> Callable[[], Any]:
    """An image."""
    return lambda: {"pixel_values": torch.randn(1, 3, size, size)}


def pictured() -> Any:
    """An image and a sentence."""
    return {
        "input_ids": torch.randint(10, 1000, (1, 12)),
        "pixel_values": torch.randn(1, 3, 64, 64),
    }


def narrow(width: int, layers: int, **more: Any) -> dict[str, Any]:
    """Names of sizes that most configurations share."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 4 * width,
        **more,
    }


QUIET = {"use_cache": False}
VISION = narrow(128, 2, image_size=64, patch_size=16)
BACKBONE = {"model_type": "resnet", "out_features": ["stage4"]}
# the class, its settings, an example; sizes of tokens are those of the published networks
TRANSFORMERS: Mapping[str, tuple[str, Mapping[str, Any], Callable[[], Any]]] = {
    "BERT, small": ("BertForMaskedLM", narrow(256, 4), tokens()),
    "MiniLM": ("BertModel", {**narrow(384, 6), "num_attention_heads": 12}, tokens()),
    "ALBERT": ("AlbertForMaskedLM", narrow(256, 4, embedding_size=128), tokens()),
    "DistilBERT": (
        "DistilBertForSequenceClassification",
        {"dim": 256, "hidden_dim": 1024, "n_layers": 3, "n_heads": 4},
        tokens(),
    ),
    "RoBERTa": ("RobertaForSequenceClassification", narrow(256, 3), tokens()),
    "GPT-2": ("GPT2LMHeadModel", {"n_embd": 256, "n_layer": 4, "n_head": 4}, tokens(**QUIET)),
    "LLaMA": (
        "LlamaForCausalLM",
        narrow(256, 4, num_key_value_heads=2, vocab_size=32000),
        tokens(**QUIET),
    ),
    "LLaMA, tied": (
        "LlamaForCausalLM",
        narrow(256, 4, vocab_size=32000, tie_word_embeddings=True),
        tokens(**QUIET),
    ),
    "Gemma 2": (
        "Gemma2ForCausalLM",
        narrow(256, 4, num_key_value_heads=2, head_dim=64, vocab_size=32000),
        tokens(**QUIET),
    ),
    "Mixtral, small": (
        "MixtralForCausalLM",
        narrow(128, 2, num_key_value_heads=2, vocab_size=8000, num_local_experts=4),
        tokens(**QUIET),
    ),
    "T5": (
        "T5ForConditionalGeneration",
        {"d_model": 256, "d_ff": 1024, "num_layers": 3, "num_heads": 4, "vocab_size": 32128},
        both,
    ),
    "BART": (
        "BartForConditionalGeneration",
        {
            "d_model": 256,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 1024,
            "decoder_ffn_dim": 1024,
        },
        both,
    ),
    "Whisper": (
        "WhisperForConditionalGeneration",
        {
            "d_model": 256,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
        },
        heard,
    ),
    "CLIP": (
        "CLIPModel",
        {"text_config": narrow(256, 3), "vision_config": narrow(256, 3, image_size=64)},
        pictured,
    ),
    "ViT": ("ViTForImageClassification", {**VISION, "image_size": 64}, seen(64)),
    "DETR": (
        "DetrForObjectDetection",
        {
            "use_timm_backbone": False,
            "use_pretrained_backbone": False,
            "backbone": None,
            "backbone_config": BACKBONE,
            "d_model": 128,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_ffn_dim": 256,
            "decoder_ffn_dim": 256,
        },
        seen(96),
    ),
    "DeBERTa": ("DebertaV2ForMaskedLM", narrow(256, 3, vocab_size=32000), tokens()),
}
