"""sRGB and CIELAB (D65, 2 degree observer), and the individual typology angle.

Conversion constants: IEC 61966-2-1 (sRGB) and CIE 15:2004 (CIELAB).
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_XYZ_FROM_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=np.float32,
)
_RGB_FROM_XYZ = np.linalg.inv(_XYZ_FROM_RGB.astype(np.float64)).astype(np.float32)
_WHITE = np.array([0.95047, 1.0, 1.08883], dtype=np.float32)
_DELTA = 6 / 29


def linear_from_srgb(srgb: Array) -> Array:
    """Undo the sRGB transfer curve; values in [0, 1], any shape."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** np.float32(2.4))


def srgb_from_linear(linear: Array) -> Array:
    """Apply the sRGB transfer curve; values are clipped to [0, 1]."""
    linear = np.clip(linear, 0.0, 1.0).astype(np.float32)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)


def linear_from_lab(lab: Array) -> Array:
    """CIELAB (..., 3) to linear RGB (..., 3), unclipped."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29)) * _WHITE
    return (xyz @ _RGB_FROM_XYZ.T).astype(np.float32)


def lab_from_srgb(srgb: Array) -> Array:
    """Convert sRGB in [0, 1] (..., 3) to CIELAB (..., 3)."""
    t = (linear_from_srgb(srgb) @ _XYZ_FROM_RGB.T) / _WHITE
    f = np.where(t > _DELTA**3, np.cbrt(t), t / (3 * _DELTA**2) + 4 / 29)
    lab = [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])]
    return np.stack(lab, axis=-1).astype(np.float32)


def individual_typology_angle(lab: Array) -> Array:
    """ITA in degrees, (...,) from CIELAB (..., 3): atan((L* - 50) / b*) (Chardon et al. 1991)."""
    return np.degrees(np.arctan2(lab[..., 0] - 50, lab[..., 2])).astype(np.float32)
