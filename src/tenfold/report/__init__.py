"""model', model, Plan -> Report: counted again from the built module; drawn for people."""

from tenfold.report.draw_page import draw_page
from tenfold.report.read_report import report_from_json
from tenfold.report.recount import Line, Reached, Report, make_report, report_to_json
from tenfold.report.result import Result

__all__ = [
    "Line",
    "Reached",
    "Report",
    "Result",
    "draw_page",
    "make_report",
    "report_from_json",
    "report_to_json",
]
