"""Labels that are classes: whole numbers, each of them one of the output's or not to be counted."""

from __future__ import annotations

from torch import Tensor

from tenfold.errors import bad_value

UNCOUNTED = -100


def as_classes(labels: Tensor, classes: int) -> Tensor:
    """The labels as int64. Raises InputError for one that is no class; -100 does not count."""
    labels = labels.long()  # of fewer bits they could not be told from -100
    wrong = labels[(labels != UNCOUNTED) & ((labels < 0) | (labels >= classes))]
    if wrong.numel():
        raise bad_value(
            f"Labels must be classes from 0 to {classes - 1}, or {UNCOUNTED} where none counts",
            int(wrong[0]),
            "number them anew, or check the data",
        )
    return labels
