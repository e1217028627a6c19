"""Small ICC profiles (version 2) for tests, written from the published colorants; no code of the pipeline's."""

import struct

import numpy as np

# Red, green and blue in XYZ relative to D50, as the published profiles have them.
COLORANTS = {
    "srgb": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "display_p3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "adobe_rgb": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}


def srgb_decoded(values):
    """Light, 0 to 1, of sRGB's values, 0 to 1 (IEC 61966-2-1)."""
    values = np.asarray(values, np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def power(gamma):
    return struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256))


def srgb_table():
    """As the profiles of cameras and editors have it: 1,024 entries."""
    entries = np.round(srgb_decoded(np.linspace(0, 1, 1024)) * 65535).astype(">u2")
    return struct.pack(">4s4xI", b"curv", 1024) + entries.tobytes()


def matrix(space, curve, colorants=None):
    points = colorants or COLORANTS[space]
    xyz = [struct.pack(">4s4x3i", b"XYZ ", *(round(v * 65536) for v in point)) for point in points]
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True)) | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(tags, b"mntr", b"RGB ", b"XYZ ")


def grey(curve):
    return _profile({b"kTRC": curve}, b"mntr", b"GRAY", b"XYZ ")


def inks(lab_of):
    """CMYK by a table with two nodes an ink; ``lab_of``: (c, m, y, k), each 0 or 1, to Lab relative to D50."""
    nodes = [lab_of(*(i >> s & 1 for s in (3, 2, 1, 0))) for i in range(16)]
    table = bytes(v for lightness, a, b in nodes for v in (round(lightness * 2.55), a + 128, b + 128))
    identity = [65536 if i % 4 == 0 else 0 for i in range(9)]
    straight = bytes(range(256))
    body = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *identity) + straight * 4 + table + straight * 3
    return _profile({b"A2B0": body}, b"prtr", b"CMYK", b"Lab ")


def _profile(tags, kind, space, connection):
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i", start + len(body), 0x02400000, kind, space, connection, b"acsp", 63190, 65536, 54061
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
