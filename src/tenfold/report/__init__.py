"""model', model, Plan -> Report: counted again from the built module; drawn for people."""

from tenfold.report.draw_page import draw_page
from tenfold.report.recount import make_report
from tenfold.report.report import (
    Line,
    Quality,
    Reached,
    Report,
    Result,
    Timed,
    report_from_json,
    report_to_json,
)

__all__ = [
    "Line",
    "Quality",
    "Reached",
    "Report",
    "Result",
    "Timed",
    "draw_page",
    "make_report",
    "report_from_json",
    "report_to_json",
]
