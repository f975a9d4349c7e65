"""What the page says and what it leaves out, read as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tenfold.report import draw_page, report_from_json, report_to_json
from tenfold.report.numbers import say_asked, say_number
from tenfold.report.plot import Series, draw_lines
from tenfold.values import Mean
from tests.reports import QUALITY, made_latency, made_names, made_plan, made_report


def page_of(names=("a", "b", "c"), title="small", tuned=False, **more):
    plan = made_plan(list(names))
    plan = replace(plan, tuning={"epochs": 1} if tuned else None)
    return draw_page(made_report(plan, **more), plan, title)


def words(page):
    """The page as it is read."""
    read = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", read).split())


def test_the_page_loads_nothing_from_elsewhere():
    page = page_of()
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)
    for sign in ("<link", "src=", "@import", "url(", "fetch(", "XMLHttp", "<iframe", "<img"):
        assert sign not in page
    assert "default-src 'none'" in page


NASTY = "</script><script>alert(1)</script><b>\"'&\u2028"


def test_names_and_titles_are_escaped_wherever_they_stand():
    page = page_of((NASTY, "b"), NASTY)
    assert page.count("<script") == 2  # the curves and the page's own
    assert '<b>"' not in page
    assert "\u2028" not in page.split('id="curves">')[1].split("</script>")[0]
    (text,) = re.findall(r'id="curves">(.*?)</script>', page, re.DOTALL)
    assert len(json.loads(text)) == 2


def test_a_hundred_layers_stay_small():
    page = page_of(made_names(100), quality=(QUALITY,), latency=(made_latency(),))
    assert page.count('class="bar"') == 100
    assert len(page.encode()) < 300_000


def test_numbers_are_rounded_as_people_write_them():
    page = page_of()
    assert "0.192307" not in page.split("Repeat it")[0]  # which repeats it to the last digit
    assert "0.192 5.2x smaller" in words(page)
    assert "0.192307" in json.dumps(report_to_json(made_report(made_plan(["a", "b"]))))
    assert [say_asked(text) for text in ("0.2", "20%", "54k", "3ms@onnxruntime", "0.30000001")] == [
        "0.2",
        "20%",
        "54k",
        "3ms@onnxruntime",
        "0.3",
    ]
    assert [say_number(x) for x in (1234567, 99.96, 0.19234, 0, float("inf"))] == [
        "1,234,567",
        "100",
        "0.192",
        "0",
        "unknown",
    ]


def test_the_headline_says_what_was_asked_kept_lost_and_gained_and_where():
    page = words(page_of(quality=(QUALITY,), latency=(made_latency(),)))
    (line,) = re.findall(r"Asked to keep .*?\.(?= 5)", page)
    assert line == (
        "Asked to keep at most 19.2 % of the parameters, tenfold kept 66,512 parameters "
        "(5.26x fewer); lost 0.16 points of top-1 on 10,000 samples; it takes 2.00x less time in "
        "PyTorch eager at batch 32; on Some Processor, 2 threads."
    )


def test_what_was_not_measured_is_said_with_the_way_to_measure_it():
    page = words(page_of())
    assert "tenfold evaluate small --data" in page
    assert "tenfold bench small" in page
    assert "by forecast it keeps 97.1 ± 0.4 % of the original" in page
    assert "tenfold.compress(model, example" in page


@pytest.mark.parametrize(
    ("tuned", "alone", "told"),
    [
        (False, None, "93.01 % ± 0.26 92.85 % ± 0.26 not trained -0.16"),
        (True, None, "93.01 % ± 0.26 not measured 92.85 % ± 0.26 -0.16"),
        (True, Mean(92.5, 10_000, 0.26), "93.01 % ± 0.26 92.50 % ± 0.26 92.85 % ± 0.26 -0.16"),
    ],
)
def test_quality_before_by_the_plan_alone_and_after_training(tuned, alone, told):
    page = words(page_of(tuned=tuned, quality=(replace(QUALITY, alone=alone),)))
    assert f"10,000 {told}" in page


def test_what_was_left_alone_stands_with_its_weight_the_largest_first():
    page = words(page_of()).split("Left alone")[1]
    assert page.index("the budget is better spent here") < page.index("excluded")
    assert "150,063 parameters, 42.9 % of the original's, stay as they are" in page.replace(
        "&#39;", "'"
    )


def test_training_has_its_curves_and_the_command_is_shown():
    history = [{"epoch": k + 1, "loss": 1 / (k + 1), "score": 90.0 + k} for k in range(3)]
    page = page_of(history=tuple(history), command="tenfold compress demo --out small")
    assert page.count("<polyline") == 4
    assert "On validation batches" in page
    assert "tenfold compress demo --out small" in page
    unjudged = [{**entry, "score": -entry["loss"]} for entry in history]
    assert "validation" not in words(page_of(history=tuple(unjudged))).split("Fine-tuning")[1]


def test_a_report_with_measurements_comes_back_from_json():
    report = made_report(
        made_plan(["a", "b"]), quality=(QUALITY,), latency=(made_latency(),), command="tenfold"
    )
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_a_plan_without_curves_still_has_its_page():
    plan = replace(made_plan(["a", "b"]), curves=(), forecast=None, bound=None)
    page = draw_page(made_report(plan), plan)
    assert "There is no forecast" in page


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [1e-6, 3.0], [2.0, float("inf")]])
def test_lines_of_any_values_are_drawn_inside_their_picture(values):
    points = [(float(k), value) for k, value in enumerate(values)]
    drawn = draw_lines("t", [Series("a", points)], ("x", "y"))
    for pair in re.findall(r"(-?[\d.]+),(-?[\d.]+)", drawn):
        assert 0 <= float(pair[0]) <= 420
        assert 0 <= float(pair[1]) <= 220
    assert "nan" not in drawn
    assert not draw_lines("t", [Series("a", [])], ("x", "y"))
