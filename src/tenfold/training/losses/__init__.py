"""One file a term of the loss that fine-tuning descends on; ``Objective`` adds them up."""

from tenfold.training.losses._base import LOSSES, Average, Lesson, Term, UserLoss

__all__ = ["LOSSES", "Average", "Lesson", "Term", "UserLoss"]
