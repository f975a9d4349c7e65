"""Networks of transformers: from a folder to a compressed one that is opened as easily."""

from __future__ import annotations

import json

import pytest
import torch

import tenfold
from tenfold.cli import main
from tenfold.errors import InputError
from tenfold.sources import open_model

transformers = pytest.importorskip("transformers")

TEXT = {"vocab_size": 32, "max_position_embeddings": 20}
BERT = {
    **TEXT,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
GPT = {"vocab_size": 32, "n_embd": 24, "n_layer": 1, "n_head": 2, "n_positions": 20}
LLAMA = {**BERT, "num_key_value_heads": 1}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
VIT = {**BERT, "image_size": 16, "patch_size": 8}
T5 = {"vocab_size": 32, "d_model": 24, "d_kv": 12, "d_ff": 48, "num_layers": 1, "num_heads": 2}
WHISPER = {
    **TEXT,
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_mel_bins": 8,
    "max_source_positions": 10,
    "max_target_positions": 20,
    "decoder_start_token_id": 1,
    "pad_token_id": 0,
    "suppress_tokens": [],
    **ENDS,
}
CLASSES = {
    "BertForSequenceClassification": ("BertConfig", BERT, {"input_ids": (1, 18)}),
    "BertForMaskedLM": ("BertConfig", BERT, {"input_ids": (1, 18)}),
    "GPT2LMHeadModel": ("GPT2Config", GPT | ENDS, {"input_ids": (1, 18)}),
    "LlamaForCausalLM": ("LlamaConfig", LLAMA | ENDS, {"input_ids": (1, 18)}),
    "ViTForImageClassification": ("ViTConfig", VIT, {"pixel_values": (1, 3, 16, 16)}),
    "T5ForConditionalGeneration": ("T5Config", T5, {"decoder_input_ids": (1, 16)}),
    "WhisperForConditionalGeneration": ("WhisperConfig", WHISPER, {"input_features": (1, 8, 20)}),
}


def make(name):
    """A tiny network of a class, with weights from a seed."""
    config, sizes, _ = CLASSES[name]
    torch.manual_seed(0)
    return getattr(transformers, name)(getattr(transformers, config)(**sizes)).eval()


@pytest.fixture
def folder(tmp_path):
    """A language model as transformers saves one, with a file of a tokenizer."""
    make("GPT2LMHeadModel").save_pretrained(tmp_path / "gpt")
    (tmp_path / "gpt" / "tokenizer.json").write_text('{"mine": 1}')
    return tmp_path / "gpt"


@pytest.mark.parametrize("name", CLASSES)
def test_a_folder_is_opened_as_the_class_that_it_names(name, tmp_path):
    make(name).save_pretrained(tmp_path / "net")
    loaded = open_model(f"hf:{tmp_path}/net")
    assert type(loaded.model).__name__ == name
    assert not loaded.model.training
    shapes = {key: tuple(x.shape) for key, x in loaded.example.items()}
    assert CLASSES[name][2].items() <= shapes.items()
    with torch.no_grad():
        wanted, found = make(name)(**loaded.example), loaded.model(**loaded.example)
    assert torch.allclose(wanted.logits, found.logits, atol=1e-5)


def test_the_command_line_compresses_a_folder_and_all_of_it_is_opened_again(folder, tmp_path):
    out = tmp_path / "small"
    words = ["--budget", "params=0.8", "--example", "1x6", "--out", str(out)]
    assert main(["compress", f"hf:{folder}", *words]) == 0
    assert (out / "tokenizer.json").read_text() == '{"mine": 1}'
    report = json.loads((out / "report.json").read_text())
    card = (out / "README.md").read_text()
    assert f"{report['before']['params']:,.0f} | {report['after']['params']:,.0f} |" in card
    assert str(tmp_path) not in card + (out / "config.json").read_text()
    model, ids = tenfold.load_pretrained(out), torch.tensor([[1, 5, 3]])
    assert sum(p.numel() for p in model.parameters()) == report["after"]["params"]
    text = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=4)
    assert 3 < text.shape[1] <= 7
    original = transformers.GPT2LMHeadModel.from_pretrained(folder)
    with torch.no_grad():
        same = tenfold.load(out, original)(ids).logits
        assert torch.allclose(same, model(ids).logits, atol=1e-5)
        assert torch.allclose(same, open_model(str(out)).model(ids).logits, atol=1e-5)
    assert open_model(str(out), example="2x4").example["input_ids"].shape == (2, 4)


def test_what_python_saves_is_opened_too(tmp_path):
    model = make("BertForSequenceClassification")
    ids = torch.tensor([[1, 5, 3, 2]])
    result = tenfold.compress(model, {"input_ids": ids}, "params=0.9", metric="frobenius")
    tenfold.save(result, tmp_path / "small")
    again = tenfold.load_pretrained(tmp_path / "small")
    with torch.no_grad():
        assert torch.allclose(again(ids).logits, result.model(ids).logits, atol=1e-5)


def test_weights_that_would_stay_random_are_refused(tmp_path):
    make("BertForMaskedLM").save_pretrained(tmp_path / "net")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (tmp_path / "net" / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        InputError,
        match=r"must hold all weights of its network, but found none for \S+ and \d+ more",
    ):
        open_model(f"hf:{tmp_path}/net")
    loaded = open_model(f"hf:{tmp_path}/net", weights="random")
    assert type(loaded.model).__name__ == "BertForSequenceClassification"


@pytest.mark.parametrize(
    ("place", "told"),
    [("{dir}/none", "must exist"), ("{dir}", "must hold config.json"), ("./x/y/z", "must exist")],
)
def test_a_folder_that_is_none_is_told(place, told, tmp_path):
    with pytest.raises(InputError, match=told):
        open_model(f"hf:{place.format(dir=tmp_path)}")


def test_a_directory_without_a_configuration_is_told(tmp_path):
    with pytest.raises(InputError, match=r"saved with its configuration.*tenfold\.load"):
        tenfold.load_pretrained(tmp_path)


@pytest.mark.parametrize("cache", [None, False, True])
def test_a_language_model_is_exported_with_its_mapping(cache, tmp_path):
    pytest.importorskip("onnxruntime")
    model, ids = make("LlamaForCausalLM"), torch.tensor([[1, 5, 3, 2]])
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    example |= {} if cache is None else {"use_cache": cache}
    done = tenfold.export(model, example, tmp_path / "a.onnx")
    assert done.dynamic
    assert done.axes == {"input_ids": (1,), "attention_mask": (1,)}
