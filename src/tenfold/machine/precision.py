"""The arithmetic of forward passes during fine-tuning; weights and updates stay as they are."""

from __future__ import annotations

import torch

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context for ``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"auto"`` on a device."""
    if precision == "auto":
        precision = "bf16" if computes_bf16(device) else "fp32"
    dtype = TYPES.get(precision)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Keeps small gradients above fp16's smallest number; passes the other types through."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def computes_bf16(device: torch.device) -> bool:
    """Whether the hardware itself multiplies bfloat16; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = [
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    ]
    return device.type == "cpu" and any(check is not None and check() for check in checks)
