"""The shipped models: the stage and the parameter model of each."""

from pipeline_steps import (
    train_base,
    train_captioner,
    train_features,
    train_flux,
    train_inpaint,
)

SHIPPED = {
    "phantom-sd": (train_base, train_base.BaseParams),
    "phantom-sd-inpaint": (train_inpaint, train_inpaint.InpaintTraining),
    "phantom-flux": (train_flux, train_flux.FluxTraining),
    "phantom-captioner": (train_captioner, train_captioner.CaptionerTraining),
    "phantom-features": (train_features, train_features.FeatureTraining),
}
