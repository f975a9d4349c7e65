"""Fine-tune a compressed BERT with the Trainer of transformers; the original is the teacher.

    pip install 'tenfold[transformers]' accelerate
    python examples/trainer_distillation.py --out small-bert

Random weights and random sentences stand for yours, so that it runs in seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import tenfold

WORDS, LENGTH, SENTENCES = 64, 16, 64
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": LENGTH,
    "num_labels": 3,
    "initializer_range": 0.2,  # so that the answers differ, as those of a trained network do
}


class Distiller(Trainer):
    """A Trainer whose loss says how far the model is from its teacher."""

    def __init__(self, *, teacher: nn.Module, temperature: float = 2.0, **rest: Any) -> None:
        super().__init__(**rest)
        self.teacher = teacher.eval().to(self.args.device)
        self.temperature = temperature

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Any:
        """The divergence of the softened answers; add ``outputs.loss`` where labels shall count."""
        outputs = model(**inputs)
        with torch.no_grad():
            answer = self.teacher(**inputs).logits
        loss = divergence(outputs.logits, answer, self.temperature)
        return (loss, outputs) if return_outputs else loss


def divergence(output: Tensor, answer: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(answer || output)`` of ``(batch, classes)``, softened by the temperature T."""
    soft, goal = (F.log_softmax(x / temperature, dim=-1) for x in (output, answer))
    return F.kl_div(soft, goal, reduction="batchmean", log_target=True) * temperature**2


def make_sentences() -> list[dict[str, Tensor]]:
    """Your dataset: ids of tokens, and labels."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(WORDS, (SENTENCES, LENGTH), generator=random)
    return [{"input_ids": x, "labels": x[0] % 3} for x in ids]


@torch.no_grad()
def distance(model: nn.Module, teacher: nn.Module, sentences: list[dict[str, Tensor]]) -> float:
    """How far the answers are from the teacher's, on all sentences."""
    ids = torch.stack([x["input_ids"] for x in sentences])
    return float(divergence(model.eval()(ids).logits, teacher(ids).logits, 1.0))


def main(out: Path, epochs: int = 10) -> tuple[float, float]:
    """Compress, train, save and open again; the distance from the teacher before and after."""
    torch.manual_seed(0)
    teacher = BertForSequenceClassification(BertConfig(**SIZES)).eval()
    sentences = make_sentences()

    result = tenfold.compress(teacher, {"input_ids": sentences[0]["input_ids"][None]}, "params=0.6")
    small = result.model  # still a BertForSequenceClassification, with stock layers in it
    before = distance(small, teacher, sentences)

    arguments = TrainingArguments(
        output_dir=f"{out}-training",
        num_train_epochs=epochs,
        per_device_train_batch_size=16,
        learning_rate=2e-3,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    Distiller(teacher=teacher, model=small, args=arguments, train_dataset=sentences).train()
    small = small.cpu().eval()
    after = distance(small, teacher, sentences)

    tenfold.save(replace(result, model=small), out)
    again = tenfold.load_pretrained(out)
    print(f"{result.report.times_smaller('params'):.1f}x fewer parameters")
    print(f"distance from the teacher: {before:.4f} before, {after:.4f} after")
    print(f"opened from {out}: {distance(again, teacher, sentences):.4f}")
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("small-bert"))
    main(parser.parse_args().out)
