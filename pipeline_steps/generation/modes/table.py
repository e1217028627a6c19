"""All ways to make images. A new one is a file in this folder and a row here."""

from pipeline_steps.generation.modes.denoising import IMG2IMG, TXT2IMG
from pipeline_steps.generation.modes.image_and_mask import IMAGE_AND_MASK
from pipeline_steps.generation.modes.inpaint import INPAINT
from pipeline_steps.generation.modes.remote_edit import REMOTE_EDIT
from pipeline_steps.generation.modes.tone_transfer import TONE_TRANSFER

_ROWS = (
    TXT2IMG,
    IMG2IMG,
    INPAINT,
    IMAGE_AND_MASK,
    REMOTE_EDIT,
    TONE_TRANSFER,
)
MODES = {mode.name: mode for mode in _ROWS}
PARAMS = {mode.name: mode.params for mode in _ROWS}
