"""Several networks recovered side by side on one GPU: every one a branch of one CUDA graph.

Kernels of so small a network are over before a GPU is full, and processes that share it wait for
each other's turns; the branches of a graph run beside each other. A branch does what
``tenfold.tune`` does, with the same parts of it; the original is asked once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from research.recovery.branch import Branch
from research.recovery.dense import Dense
from research.recovery.feed import Feed
from tenfold.machine.precision import autocast
from tenfold.training.losses.logits import with_views
from tenfold.training.replaced import groups

WARM_UP = 3  # steps before the graph is recorded: libraries choose and load their kernels


class Together:
    """The networks, what they are given in a step, and the step."""

    def __init__(
        self,
        branches: Sequence[Branch],
        teachers: Sequence[nn.Module],
        feeds: Sequence[Feed],
        device: torch.device,
        dense: Dense | None = None,
    ) -> None:
        self.branches, self.teachers, self.feeds, self.device = branches, teachers, feeds, device
        self.dense = dense
        self.taught = sorted({b.teacher for b in branches if b.teacher is not None})
        self.gpu, self.batch = device.type == "cuda", feeds[0].images.batch
        self.images, self.labels = self.batches()
        if branches[0].settings.channels_last:
            self.images = self.images.to(memory_format=torch.channels_last)
        self.factor = torch.zeros((), device=device)  # of the peak rates
        self.losses = torch.zeros(len(branches), device=device)
        self.norms = torch.zeros(len(branches), device=device)
        self.rates = [torch.zeros((), device=device) for _ in branches]
        self.peaks = [branch.peak_rate(teachers) for branch in branches]
        self.optimisers = [
            torch.optim.AdamW(
                groups(b.student, b.settings.weight_decay),
                lr=rate,
                fused=self.gpu,
                capturable=self.gpu,
            )
            for b, rate in zip(branches, self.rates)
        ]
        self.streams = [torch.cuda.Stream() for _ in branches] if self.gpu else []
        self.aside = torch.cuda.Stream() if self.gpu else None

    def step(self) -> None:
        """All networks, each on a stream of its own; the originals answer meanwhile."""
        images, labels = self.images.split(self.batch), self.labels.split(self.batch)
        begun = self.event()
        answers = {index: self.answers(self.teachers[index]) for index in self.taught}
        answered = self.event()
        for index, branch in enumerate(self.branches):
            k, target = branch.feed, None
            if branch.teacher is not None:
                target = answers[branch.teacher][k]
            with self.stream_of(index, begun):
                output = self.output(branch, images[k])
                if answered is not None:
                    torch.cuda.current_stream().wait_event(answered)
                self.descend(index, branch.loss(output, labels[k], target))
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)

    def event(self) -> torch.cuda.Event | None:
        """That all so far is computed."""
        return torch.cuda.current_stream().record_event() if self.gpu else None

    @contextmanager
    def stream_of(self, index: int, begun: torch.cuda.Event | None) -> Iterator[None]:
        """What a network computes, beside the others."""
        if begun is None:
            yield
            return
        with torch.cuda.stream(self.streams[index]):
            self.streams[index].wait_event(begun)
            yield

    def answers(self, teacher: nn.Module) -> Sequence[Tensor]:
        """Those of a teacher to the images of every feed."""
        s = self.branches[0].settings
        with torch.no_grad(), autocast(s.precision, self.device):
            found = with_views(teacher(self.images), teacher, self.images, s.views)
        return found.float().split(self.batch)

    def output(self, branch: Branch, images: Tensor) -> Tensor:
        """A network's answers."""
        with autocast(branch.settings.precision, self.device):
            if self.dense is None:
                return branch.student(images)
            return self.dense(branch.student, images)

    def descend(self, index: int, loss: Tensor) -> None:
        """One network's clipped gradient, and the step."""
        s, student = self.branches[index].settings, self.branches[index].student
        for p in student.parameters():
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(student.parameters(), s.clip)
        with torch.no_grad():
            self.rates[index].copy_(self.factor * self.peaks[index])
            self.losses[index].add_(loss.detach())
            self.norms[index].copy_(torch.maximum(self.norms[index], norm))
        self.optimisers[index].step()

    def fill(self) -> None:
        """The next batches, made while the step before is computed."""
        with nullcontext() if self.aside is None else torch.cuda.stream(self.aside):
            images, labels = self.batches()
        if self.aside is not None:
            here = torch.cuda.current_stream()
            here.wait_stream(self.aside)
            images.record_stream(here)
            labels.record_stream(here)
        self.images.copy_(images)
        self.labels.copy_(labels)

    def batches(self) -> tuple[Tensor, Tensor]:
        """One of every feed, in a row."""
        given = [next(feed) for feed in self.feeds]
        return torch.cat([x for x, _ in given]), torch.cat([y for _, y in given])

    def record(self) -> Callable[[], None]:
        """The step as a graph; networks and optimisers are left as they were."""
        if not self.gpu:
            return self.step
        kept = self.state()
        for _ in range(WARM_UP):
            self.step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.put_back(kept)
        return graph.replay

    def finish(self) -> None:
        """Wait for the device."""
        if self.gpu:
            torch.cuda.synchronize()

    def state(self) -> list[list[Tensor]]:
        """Copies of all weights and statistics."""
        return [[t.clone() for t in b.student.state_dict().values()] for b in self.branches]

    @torch.no_grad()
    def put_back(self, kept: Sequence[Sequence[Tensor]]) -> None:
        """Weights and statistics as they were, optimisers without a past."""
        for branch, tensors in zip(self.branches, kept):
            for now, before in zip(branch.student.state_dict().values(), tensors):
                now.copy_(before)
        for optimiser in self.optimisers:
            for state in optimiser.state.values():
                for value in state.values():
                    value.zero_()
        self.losses.zero_()
        self.norms.zero_()
