"""In how many bits a network computes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

_PLAIN = "float32"


def computing_in(network: nn.Module, precision: str) -> nn.Module:
    """Have ``network`` compute in ``precision``, in place, whoever calls it from now on; its outputs are in 32 bits.

    Under autocast (Micikevicius et al. 2018), unless that is float32: then it stays as it is. bfloat16 has the range of
    32 bits, so that no loss needs to be scaled.
    """
    if precision == _PLAIN or hasattr(network, "plain_forward"):
        return network
    plain = network.plain_forward = network.forward  # type: ignore[assignment]

    def mixed(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, getattr(torch, precision)):
            given: Tensor = plain(x)
        return given.float()

    network.forward = mixed
    return network


def recorded(precision: str) -> dict[str, str]:
    """What a trained network's ``config.json`` says of it; nothing of 32 bits."""
    return {} if precision == _PLAIN else {"precision": precision}


def recorded_precision(config: Mapping[str, Any]) -> str:
    """What ``recorded`` wrote to ``config``."""
    return str(config.get("precision", _PLAIN))
