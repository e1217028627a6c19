"""The sections of the report, in its order."""

from collections.abc import Callable, Iterable

from pipeline_steps.reporting.blocks import Block
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.sections.ablation import ablation
from pipeline_steps.reporting.sections.accuracy import accuracy
from pipeline_steps.reporting.sections.against_real import against_real
from pipeline_steps.reporting.sections.classifiers import classifiers
from pipeline_steps.reporting.sections.data import data
from pipeline_steps.reporting.sections.distances import distances
from pipeline_steps.reporting.sections.gallery import gallery
from pipeline_steps.reporting.sections.introduction import introduction
from pipeline_steps.reporting.sections.leaderboards import leaderboards
from pipeline_steps.reporting.sections.learned import learned
from pipeline_steps.reporting.sections.mixtures import mixtures
from pipeline_steps.reporting.sections.segmentation import segmentation
from pipeline_steps.reporting.sections.settings import settings
from pipeline_steps.reporting.sections.training import training

Section = Callable[[Findings], Iterable[Block]]

SECTIONS: tuple[Section, ...] = (
    introduction,
    accuracy,
    mixtures,
    leaderboards,
    against_real,
    classifiers,
    ablation,
    distances,
    learned,
    segmentation,
    gallery,
    training,
    data,
    settings,
)
