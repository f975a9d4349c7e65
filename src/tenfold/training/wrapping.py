"""What Accelerate's configuration may ask for: networks wrapped as DDP or sharded as FSDP2."""

from __future__ import annotations

from typing import Any

from tenfold.errors import bad_value

FOREIGN = ("DEEPSPEED", "MEGATRON_LM", "XLA")  # these take steps of their own


def settle_wrapping(state: Any) -> None:
    """Make an ``AcceleratorState`` one under which fine-tuning is what it is in one process.

    Raises InputError for engines that take steps of their own, and for FSDP1, which flattens
    the parameters.
    """
    if state.distributed_type in FOREIGN:
        raise bad_value(
            "Accelerate must wrap networks as DDP or FSDP2",
            state.distributed_type.value,
            "choose one with accelerate config",
        )
    if state.distributed_type != "FSDP":
        return
    plugin = state.fsdp_plugin
    if plugin.fsdp_version != 2:
        raise bad_value(
            "FSDP must be of version 2",
            plugin.fsdp_version,
            "add --fsdp_version 2, or fsdp_version: 2 to Accelerate's configuration",
        )
    # It fails on BatchNorm's buffers, and every process has the whole network already.
    plugin.cpu_ram_efficient_loading = False
