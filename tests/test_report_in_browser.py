"""The page as people use it: clicked, sorted, filtered and read in an installed Chromium."""

from __future__ import annotations

import re

import pytest

from tenfold.report import draw_page
from tests.reports import QUALITY, made_latency, made_names, made_plan, made_report
from tools.chromium import browsing, find_chromium

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="needs chromium, chromium-browser or google-chrome on the PATH"
)
NAMES = [*made_names(3), "stem"]


@pytest.fixture(scope="module")
def browser():
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    plan = made_plan(NAMES)
    history = ({"epoch": 1, "loss": 1.0, "score": 90.0}, {"epoch": 2, "loss": 0.5, "score": 91.0})
    report = made_report(plan, quality=(QUALITY,), latency=(made_latency(),), history=history)
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(draw_page(report, plan, "small"), "utf-8")
    return file


def all_of(browser, selector, what):
    """What an expression says of every such element, as ``e``."""
    return browser.run(f"[...document.querySelectorAll('{selector}')].map((e) => {what})")


def order(browser):
    return all_of(browser, "#layers tbody:not([hidden])", "e.dataset.name")


def test_a_click_and_enter_open_a_layer_with_its_curves(browser, page):
    browser.open(page)
    assert all_of(browser, ".detail", "1") == []
    browser.click("#layers tbody:nth-of-type(3) .open")
    assert len(all_of(browser, ".detail polyline", "1")) == 14
    assert len(all_of(browser, ".detail .mark", "1")) == 2
    (said,) = all_of(browser, ".chosen", "e.textContent")
    assert "spatial with 20,002 of 99,998 parameters, error 0.202" in said
    inside = "const b = e.ownerSVGElement.getBoundingClientRect(), m = e.getBoundingClientRect();"
    inside += "return m.left > b.left && m.right < b.right && m.top > b.top && m.bottom < b.bottom"
    assert all_of(browser, ".mark", f"(() => {{ {inside} }})()") == [True, True]
    browser.run("document.querySelector('#layers tbody:nth-of-type(3) .open').focus()")
    browser.press("Enter")
    assert all_of(browser, ".detail", "1") == []
    browser.press("Enter")
    assert all_of(browser, ".detail", "1") == [1]
    assert all_of(browser, ".open[aria-expanded=true]", "e.textContent") == [NAMES[2]]
    browser.click("#layers tbody:nth-of-type(2) .open")
    assert "Kept whole" in all_of(browser, ".chosen", "e.textContent")[0]


def test_every_column_sorts_both_ways_and_says_so(browser, page):
    browser.open(page)
    heads = all_of(browser, "#layers th", "e.textContent")
    for column, head in enumerate(heads, 1):
        browser.click(f"#layers th:nth-child({column}) button")
        first = browser.run(f"document.querySelectorAll('#layers th')[{column - 1}].ariaSort")
        once = order(browser)
        browser.click(f"#layers th:nth-child({column}) button")
        assert first in ("ascending", "descending"), head
        assert all_of(browser, "#layers th", "e.ariaSort").count("none") == len(heads) - 1
        values = all_of(browser, f"#layers tbody td:nth-child({column})", "e.dataset.v")
        if len(set(values)) == len(values):
            assert order(browser) == once[::-1], head
    browser.click("#layers th:nth-child(2) button")
    assert order(browser) == [*NAMES]
    browser.click("#layers th:nth-child(5) button")
    assert order(browser) == [NAMES[3], NAMES[2], NAMES[0], NAMES[1]]  # by falling error


def test_the_filter_shows_what_is_named(browser, page):
    browser.open(page)
    browser.run("document.getElementById('filter').focus()")
    browser.write("LAYERS.2")
    assert order(browser) == [NAMES[2]]
    assert browser.run("document.getElementById('shown').textContent") == "1 of 4"


def test_a_phone_never_scrolls_sideways(browser, page):
    browser.open(page, wide=360, high=780)
    browser.click("#layers tbody:nth-of-type(1) .open")
    assert browser.run("innerWidth") == 360
    assert browser.run("document.documentElement.scrollWidth") == 360
    browser.run("window.scrollTo(500, 0)")
    assert browser.run("scrollX") == 0
    assert browser.run("document.querySelector('#layers').parentNode.scrollWidth") > 360
    right = all_of(browser, ".detail svg, .detail p", "e.getBoundingClientRect().right")
    left = all_of(browser, ".detail svg, .detail p", "e.getBoundingClientRect().left")
    assert min(left) >= 0
    assert max(right) <= 360


LUMINOUS = """(text) => {
  const part = (x) => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = text.match(/[\\d.]+/g).map((x) => part(x / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; }"""
CONTRAST = f"""(() => {{
  const light = {LUMINOUS};
  const behind = (e) => {{
    for (; e; e = e.parentElement) {{
      const colour = getComputedStyle(e).backgroundColor;
      if (!colour.endsWith(', 0)')) return colour;
    }}
    return 'rgb(255, 255, 255)';
  }};
  return [...document.querySelectorAll('body *')].filter((e) =>
    [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
    .map((e) => {{
      const style = getComputedStyle(e), front = e.ownerSVGElement ? style.fill : style.color;
      const pair = [light(front), light(behind(e))].sort((a, b) => b - a);
      return [(pair[0] + 0.05) / (pair[1] + 0.05), e.outerHTML.slice(0, 80)];
    }}).sort((a, b) => a[0] - b[0])[0]; }})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_in_light_and_in_dark(browser, page, dark):
    browser.open(page, dark=dark)
    browser.click("#layers tbody:nth-of-type(1) .open")
    back = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", back))) < 60) == dark
    least, where = browser.run(CONTRAST)
    assert least >= 4.5, where
    lines = all_of(browser, ".detail polyline", "getComputedStyle(e).stroke")
    assert len(set(lines)) == 7
    ratios = browser.run(
        f"(() => {{ const light = {LUMINOUS}; return {lines}.map((colour) => "
        f"{{ const pair = [light(colour), light('{back}')].sort((a, b) => b - a);"
        "return (pair[0] + 0.05) / (pair[1] + 0.05); }); })()"
    )
    assert min(ratios) >= 3


def test_keys_reach_everything_and_show_where_they_are(browser, page):
    browser.open(page)
    seen = []
    for _ in range(20):
        browser.press("Tab")
        active = "document.activeElement"
        seen.append(browser.run(f"{active}.textContent.trim() || {active}.id"))
        assert browser.run(f"getComputedStyle({active}).outlineStyle") != "none"
    assert {"filter", "damage", *NAMES[:1]} <= set(seen)


def test_nothing_is_asked_for_and_nothing_moves_or_fails(browser, page):
    browser.requests.clear()
    browser.open(page)
    browser.click("#layers tbody:nth-of-type(1) .open")
    moved = browser.run(
        "performance.getEntriesByType('layout-shift').reduce((sum, e) => sum + e.value, 0)"
    )
    assert not moved
    assert {url for url in browser.requests if "favicon" not in url} == {page.resolve().as_uri()}
    assert browser.faults == []
