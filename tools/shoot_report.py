"""The pictures of docs/report.md: the page of a saved result on a desktop and a phone.

python tools/shoot_report.py small
"""

from __future__ import annotations

import sys
from pathlib import Path

from chromium import Browser, browsing

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESKTOP, PHONE = (1040, 720), (360, 720)


def shoot_all(page: Path) -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with browsing() as browser:
        browser.open(page, *DESKTOP)
        browser.shoot(IMAGES / "report-desktop-light.png")
        browser.open(page, *DESKTOP, dark=True)
        open_largest(browser)
        browser.shoot(IMAGES / "report-layer-dark.png")
        browser.open(page, *PHONE)
        browser.shoot(IMAGES / "report-phone-light.png")
        browser.open(page, *PHONE, dark=True)
        open_largest(browser)
        browser.shoot(IMAGES / "report-phone-dark.png")


def open_largest(browser: Browser) -> None:
    """Sort by damage, open the layer with the most, and bring the table to the top."""
    heads = browser.run("[...document.querySelectorAll('#layers th')].map((e) => e.textContent)")
    browser.click(f"#layers th:nth-child({heads.index('damage') + 1}) button")
    browser.run("document.querySelector('#layers').parentNode.scrollLeft = 0")
    browser.click("#layers tbody .open")
    browser.run("document.querySelector('#layers').parentNode.scrollLeft = 0")
    browser.run("document.querySelector('#layers').scrollIntoView()")


if __name__ == "__main__":
    shoot_all(Path(sys.argv[1]) / "report.html")
