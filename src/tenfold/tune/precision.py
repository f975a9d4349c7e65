"""The arithmetic of forward passes during fine-tuning; weights and updates stay as they are."""

from __future__ import annotations

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context for ``"fp32"``, ``"bf16"`` or ``"auto"`` on a device."""
    wanted = precision == "bf16" or (precision == "auto" and computes_bf16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def computes_bf16(device: torch.device) -> bool:
    """Whether the hardware itself multiplies bfloat16; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = [
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    ]
    return device.type == "cpu" and any(check is not None and check() for check in found)
