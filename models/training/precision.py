"""Chooses the precision of a device's matrix products: the recipe's where that is faster."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from models.recipe import Precision

DTYPES = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
# Of torch.cpu.get_capabilities(): x86's vector unit, its matrix unit, and ARM's.
BF16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")


def usable_dtype(precision: Precision, device: str) -> torch.dtype | None:
    """Return the half-precision type that the device computes in; None where float32 stays.

    A GPU takes what the recipe says. A CPU takes bf16 where it has instructions for it (preact20:
    1.8 times as many images a second); elsewhere it would be emulated, slower than float32.
    """
    if device.startswith("cuda"):
        return DTYPES.get(precision)
    return torch.bfloat16 if precision is Precision.BF16 and _cpu_has_bf16() else None


def autocast(dtype: torch.dtype | None, device: str) -> AbstractContextManager[Any]:
    """Return a context in which matrix products are computed in `dtype`, if there is one."""
    if dtype is None:
        return nullcontext()
    return torch.autocast("cuda" if device.startswith("cuda") else "cpu", dtype=dtype)


def name_of_device(device: str) -> str:
    """Return the device's name, and whether it computes bf16 where a recipe asks for it."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return "cpu with bf16" if _cpu_has_bf16() else "cpu"


def _cpu_has_bf16() -> bool:
    capabilities_of = getattr(torch.cpu, "get_capabilities", None)  # newer than torch 2.11
    if capabilities_of is None:
        return False
    capabilities: Mapping[str, Any] = capabilities_of()
    return any(capabilities.get(unit) for unit in BF16_UNITS)
