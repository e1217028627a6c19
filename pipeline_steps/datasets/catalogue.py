"""All data sets, a row each. Another one is a file beside these, and a row here."""

from pipeline_steps.datasets.class_folders import CLASS_FOLDERS
from pipeline_steps.datasets.data_set import DataSet
from pipeline_steps.datasets.ddi import DDI
from pipeline_steps.datasets.dermacon_in import DERMACON_IN
from pipeline_steps.datasets.fitzpatrick17k import FITZPATRICK17K
from pipeline_steps.datasets.fitzpatrick17k_c import FITZPATRICK17K_C
from pipeline_steps.datasets.folder import FOLDER
from pipeline_steps.datasets.ham10000 import HAM10000
from pipeline_steps.datasets.imagefolder import IMAGEFOLDER
from pipeline_steps.datasets.isic_archive import ISIC_ARCHIVE
from pipeline_steps.datasets.pad_ufes_20 import PAD_UFES_20
from pipeline_steps.datasets.phantom_set import PHANTOM
from pipeline_steps.datasets.scin import SCIN

_ALL = (
    PHANTOM,
    FOLDER,
    CLASS_FOLDERS,
    IMAGEFOLDER,
    FITZPATRICK17K,
    FITZPATRICK17K_C,
    PAD_UFES_20,
    SCIN,
    DDI,
    HAM10000,
    ISIC_ARCHIVE,
    DERMACON_IN,
)
DATA_SETS: dict[str, DataSet] = {data_set.name: data_set for data_set in _ALL}
