"""Accuracy by level and dose-response, as figures."""

from pipeline_steps.reporting.blocks import Block, Heading, Words
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.plates import accuracy_plates, dose_plates


def accuracy(f: Findings) -> list[Block]:
    """A figure a scenario, architecture and partition."""
    figures: list[Block] = [*accuracy_plates(f.r, f.study), *dose_plates(f.r, f.study)]
    return [Heading(f"Accuracy per {f.study.noun}"), *(figures or [Words("No classifier was trained in this run.")])]
