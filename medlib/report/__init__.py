"""Looking: at batches, results and curves, and at all of a training on one page."""

from medlib.report.calibration import Reliability, reliability
from medlib.report.charts import agreement, calibration, case_table, confusion, learning_curve
from medlib.report.gallery import compare, show_batch, show_results
from medlib.report.page import write_report
from medlib.report.watching import Log, Pictures, Tracker

__all__ = [
    "Log",
    "Pictures",
    "Reliability",
    "Tracker",
    "agreement",
    "calibration",
    "case_table",
    "compare",
    "confusion",
    "learning_curve",
    "reliability",
    "show_batch",
    "show_results",
    "write_report",
]
