"""Networks of every kind that people bring: compressed, run, saved, loaded and exported."""

from __future__ import annotations

import warnings

import pytest
import torch

import tenfold
from benchmarks.networks.ordinary import ORDINARY
from tenfold.network.call import run
from tenfold.network.difference import difference
from tenfold.network.inputs import leaves
from tenfold.survey import survey
from tests.imitations import IMAGES

QUICK = {"metric": "frobenius", "method": "energy", "formats": ["svd"]}
EXPORTED = ("language model, tied", "GPT-2")  # each takes seconds
DEPTHWISE = ("MobileNetV3", "EfficientNet", "ConvNeXt", "ViT", "GhostNet")  # or places of its own
OF_TORCH = ("U-Net", "DCGAN generator", "3-D convolutions", "language model, tied")
TINY = {"vocab_size": 80, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
MORE = {"intermediate_size": 32, "max_position_embeddings": 16}
TINY = {**TINY, **MORE}
D_MODEL = {
    "vocab_size": 80,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "max_position_embeddings": 16,
    "decoder_ffn_dim": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
T5 = {"vocab_size": 80, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
VISION = {**TINY, "image_size": 16, "patch_size": 8}
TEXT = {**TINY, **ENDS}
IDS = torch.randint(3, 80, (2, 9), generator=torch.Generator().manual_seed(0))
TOKENS = {"input_ids": IDS}
TWO = {**TOKENS, "decoder_input_ids": IDS[:, :4]}
PIXELS = {"pixel_values": torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)}
# the class, settings of its configuration, an example, and the layers that have one weight
TRANSFORMERS = {
    "BERT": ("BertForMaskedLM", TINY, TOKENS, 2),
    "GPT-2": (
        "GPT2LMHeadModel",
        {"vocab_size": 80, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2, **ENDS},
        TOKENS,
        2,
    ),
    "LLaMA": ("LlamaForCausalLM", {**TINY, "num_key_value_heads": 1}, TOKENS, 1),
    "LLaMA, tied": ("LlamaForCausalLM", {**TINY, "tie_word_embeddings": True}, TOKENS, 2),
    "T5": ("T5ForConditionalGeneration", {**T5, "decoder_start_token_id": 0}, TWO, 2),
    "BART": ("BartForConditionalGeneration", {**D_MODEL, "scale_embedding": True}, TWO, 2),
    "Whisper": (
        "WhisperForConditionalGeneration",
        {**D_MODEL, "num_mel_bins": 8, "max_source_positions": 10, "max_target_positions": 12},
        {
            "input_features": torch.linspace(-1, 1, 320).reshape(2, 8, 20),
            "decoder_input_ids": IDS[:, :4],
        },
        2,
    ),
    "CLIP": (
        "CLIPModel",
        {"text_config": TEXT, "vision_config": VISION, "projection_dim": 16},
        {**TOKENS, **PIXELS},
        1,
    ),
    "DeBERTa": ("DebertaV2ForMaskedLM", {**TINY, "type_vocab_size": 0}, TOKENS, 2),
}


def seeded(make):
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(6)
        return make()


def check(model, example, share, name, folder):
    """Compressed within its budget, runs, is saved and loaded, and exported where that is quick;
    returns the survey."""
    model = model.eval()
    found = survey(model, example)
    assert found.fixed["params"] <= (1 - share) * found.totals["params"]
    least = found.fixed["params"] / found.totals["params"]
    result = tenfold.compress(model, example, {"params": 0.4 * least + 0.6}, **QUICK)
    (limit,) = result.report.limits
    assert limit.reached <= limit.limit
    outputs = leaves(run(result.model, example))
    shapes = [tensor.shape for tensor in leaves(run(model, example))]
    assert [tensor.shape for tensor in outputs] == shapes
    again = tenfold.load(tenfold.save(result, folder / "saved"), model)
    assert difference(outputs, leaves(run(again, example))) == 0
    if name in EXPORTED:
        exported = tenfold.export(result.model, example, folder / "network.onnx")
        assert exported.difference < 1e-3
    return found


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_network_is_compressed(name, tmp_path):
    model = seeded(IMAGES[name])
    x = torch.linspace(-1, 1, 2 * 3 * 12 * 12).reshape(2, 3, 12, 12)
    check(model, x, 0.6 if name in DEPTHWISE else 0.9, name, tmp_path)


@pytest.mark.parametrize("name", OF_TORCH)
def test_a_network_in_plain_torch_is_compressed(name, tmp_path):
    model, example = seeded(lambda: ORDINARY[name](12))
    check(model, example, 0.9, name, tmp_path)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_network_of_transformers_is_compressed(name, tmp_path):
    library = pytest.importorskip("transformers")
    kind, settings, example, tied = TRANSFORMERS[name]
    cls = getattr(library, kind)
    model = seeded(lambda: cls(cls.config_class(**settings)))
    model.config.use_cache = False
    found = check(model, example, 0.6, name, tmp_path)
    assert max(len(site.places) for site in found.sites) >= tied
