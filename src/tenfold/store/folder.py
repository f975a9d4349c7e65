"""Result <-> directory: plan.json, model.safetensors, report.json, report.html. No pickle."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.build.rebuild import build_structure
from tenfold.errors import PlanError, as_bad_value, bad_value
from tenfold.machine.files import explained, placing, placing_folder
from tenfold.machine.read_json import read_json
from tenfold.network.weights import fill, write_weights
from tenfold.report import Report, Result, draw_page, report_from_json, report_to_json
from tenfold.store.card import CARD, write_card
from tenfold.store.of_transformers import texts_of
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.store.read_state import read_state
from tenfold.values import Plan

NUMBERS = re.compile(r"\[\n\s+[-\d.e+]+(?:,\n\s+[-\d.e+]+)*\n\s+\]")
PLAN, WEIGHTS, REPORT, PAGE = "plan.json", "model.safetensors", "report.json", "report.html"
SHARDED = f"{WEIGHTS}.index.json"  # where the weights are several files


def save(
    result: Result, folder: str | Path, *, extra: Mapping[str, str | Path] | None = None
) -> Path:
    """Write a result to a new directory, whole or not at all; returns its path.

    A network of transformers gets its configuration and a model card beside it, so that
    ``tenfold.load_pretrained`` opens the directory alone. ``extra`` holds further files by name:
    their text, or a path to copy. Raises InputError when the directory exists or cannot be written.
    """
    target = Path(folder)
    with placing_folder(target) as part:
        write_weights(result.model, part / WEIGHTS)
        _write_json(part / PLAN, plan_to_json(result.plan))
        _write_json(part / REPORT, report_to_json(result.report))
        (part / PAGE).write_text(draw_page(result.report, result.plan, target.name), "utf-8")
        configured = texts_of(result.model)
        if configured:
            configured = {**configured, CARD: write_card(result.report, result.plan, target.name)}
        for name, content in {**configured, **(extra or {})}.items():
            if isinstance(content, Path):
                shutil.copyfile(content, part / name)
            else:
                (part / name).write_text(content, "utf-8")
    return target


def renew_report(folder: str | Path, renewed: Callable[[Report], Report]) -> Path:
    """Change the report of a saved directory, and draw its page anew; returns the page.

    Raises InputError when the directory has no report or no plan, or cannot be written.
    """
    target = Path(folder)
    plan, report = read_plan(target / PLAN), renewed(read_report(target))
    with as_bad_value(f"{target / REPORT} must be a report of its plan", "save the model again"):
        page = draw_page(report, plan, target.resolve().name)
    with explained(target), tempfile.TemporaryDirectory(prefix=".report.", dir=target) as part:
        _write_json(Path(part) / REPORT, report_to_json(report))
        (Path(part) / PAGE).write_text(page, "utf-8")
        for name in (REPORT, PAGE):
            (Path(part) / name).replace(target / name)
    return target / PAGE


def read_report(folder: str | Path) -> Report:
    """The report of a saved model. Raises InputError without one."""
    return report_from_json(_read_json(Path(folder) / REPORT, "A report"))


def load(folder: str | Path, architecture: nn.Module | Callable[[], nn.Module]) -> nn.Module:
    """The saved model, built on the original architecture, in evaluation mode.

    ``architecture`` is the original network with any weights (it is not changed), or a function
    that returns one. Raises InputError when files are missing or damaged, PlanError when the
    directory belongs to another network.
    """
    plan = read_plan(Path(folder) / PLAN)
    original = architecture if isinstance(architecture, nn.Module) else architecture()
    model = build_structure(original, plan)
    index = Path(folder) / SHARDED
    weights = index if index.is_file() else _existing(Path(folder) / WEIGHTS)
    held = read_state(weights)
    try:
        fill(model, held)
    except ValueError as error:
        raise PlanError(
            f"Saved weights must fit the architecture, but found {error}; "
            "pass the network that was compressed."
        ) from error
    return model.eval()


def read_plan(path: str | Path) -> Plan:
    """The plan in a JSON file. Raises InputError or PlanError."""
    return plan_from_json(_read_json(Path(path), "A plan"))


def write_plan(plan: Plan, path: str | Path) -> Path:
    """Write a plan to a new JSON file, whole or not at all."""
    target = Path(path)
    with explained(target), placing(target) as part:
        _write_json(part, plan_to_json(plan))
    return target


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise bad_value(
            "A saved model must have its files",
            f"no {path}",
            "pass a directory that tenfold.save wrote",
        )
    return path


def _read_json(path: Path, what: str) -> Any:
    return read_json(_existing(path), what)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=1)
    path.write_text(NUMBERS.sub(_in_one_line, text) + "\n", "utf-8")


def _in_one_line(listed: re.Match[str]) -> str:
    """A list of numbers as people write it."""
    return "[" + ", ".join(listed[0][1:-1].replace(",", " ").split()) + "]"
