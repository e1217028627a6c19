"""All measures of classifiers, in the order of metrics files and tables."""

from pipeline_steps.measures.classifiers.between import EQUAL_OPPORTUNITY, EQUALIZED_ODDS, GAP, WORST_ACCURACY
from pipeline_steps.measures.classifiers.overall import ACCURACY, AUC, F1, PRECISION, RECALL, OfClassifier

CLASSIFIERS: tuple[OfClassifier, ...] = (
    ACCURACY,
    PRECISION,
    RECALL,
    F1,
    AUC,
    WORST_ACCURACY,
    GAP,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
)
