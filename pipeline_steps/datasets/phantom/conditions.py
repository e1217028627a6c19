"""The seven conditions of Wang et al. 2024 as phantoms: distinct morphology, a look that follows the skin.

What changes with skin type follows the clinical literature on skin of colour (e.g. Lester et al. 2020,
"Absence of images of skin of colour in publications of COVID-19 skin manifestations"; Kelly and Taylor,
"Dermatology for Skin of Color"): erythema is red on light skin and violaceous to grey-brown, with less
contrast, on dark skin; scale is silvery on light and grey on dark skin; basal cell carcinoma is mostly
pigmented on dark skin; inflamed spots leave dark marks. The amounts are ours.

Each painter draws one lesion and returns its concept attributes; the same numbers draw and describe.
"""

from pipeline_steps.datasets.phantom.inflammations import (
    folliculitis,
    nematode_infection,
    neutrophilic_dermatoses,
    prurigo_nodularis,
    psoriasis,
)
from pipeline_steps.datasets.phantom.lesion_parts import Painter
from pipeline_steps.datasets.phantom.tumours import basal_cell_carcinoma, squamous_cell_carcinoma

CONDITIONS: dict[str, Painter] = {
    "basal cell carcinoma": basal_cell_carcinoma,
    "folliculitis": folliculitis,
    "nematode infection": nematode_infection,
    "neutrophilic dermatoses": neutrophilic_dermatoses,
    "prurigo nodularis": prurigo_nodularis,
    "psoriasis": psoriasis,
    "squamous cell carcinoma": squamous_cell_carcinoma,
}
