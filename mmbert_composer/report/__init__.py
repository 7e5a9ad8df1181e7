"""The report: one HTML page about a run, made from the files in its folder."""

from mmbert_composer.report.build_report import build_report

__all__ = ["build_report"]
