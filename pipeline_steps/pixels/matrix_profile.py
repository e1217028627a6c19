"""A minimal ICC profile of an RGB space. Written here, as Pillow has LittleCMS make sRGB, Lab and XYZ alone."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_D50_XYZ = (0.9642, 1.0, 0.8249)


# Bradford's cone responses (the linear Bradford matrix that ICC.1:2022 gives for adaptation to D50).
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def matrix_profile(
    primaries: Sequence[tuple[float, float]], white: tuple[float, float], curve: Sequence[float]
) -> bytes:
    """A minimal ICC profile of an RGB space: chromaticities (x, y) of red, green, blue and white, one curve for all.

    Raises:
        ValueError: the chromaticities span no colours.
    """
    tags = {
        sign: struct.pack(">4s4x3i", b"XYZ ", *_fixed(column))
        for sign, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _colorants(primaries, white).T, strict=True)
    }
    para = struct.pack(f">4s4xHxx{len(curve)}i", b"para", {1: 0, 5: 3}[len(curve)], *_fixed(curve))
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), para)
    table, body = struct.pack(">I", len(tags)), b""
    for sign, tag in tags.items():
        table += sign + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + bytes(28) + struct.pack(">3i", *_fixed(_D50_XYZ))).ljust(128, b"\0") + table + body


def _fixed(values: Sequence[float] | npt.NDArray[np.float64]) -> list[int]:
    """ICC's s15Fixed16Number."""
    return [round(float(v) * 65536) for v in values]


def _colorants(primaries: Sequence[tuple[float, float]], white: tuple[float, float]) -> npt.NDArray[np.float64]:
    """XYZ of full red, green and blue as columns (3, 3), adapted to D50 (Lindbloom's equations; Bradford)."""
    xy = np.array([*primaries, white], np.float64).T  # (2, 4)
    if (xy[1] <= 0).any():
        raise ValueError("a chromaticity's y is not above 0")
    xyz = np.stack([xy[0], xy[1], 1 - xy.sum(0)]) / xy[1]
    try:
        colorants = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    except np.linalg.LinAlgError:
        raise ValueError("primaries on one line") from None
    gain = (_CONES @ _D50_XYZ) / (_CONES @ xyz[:, 3])
    adapted: npt.NDArray[np.float64] = np.linalg.solve(_CONES, gain[:, None] * (_CONES @ colorants))
    return adapted
