"""What the device must be able to do for a configuration."""

from __future__ import annotations

import torch

from lmtune.errors import Problem
from lmtune.spec.trial import TrialConfig


def check_training(
    config: TrialConfig, device: torch.device | str, where: str = ""
) -> list[Problem]:
    """Refuse bf16 on a device that only emulates it.

    Args:
        config: of the trial.
        device: where it is to run, on this machine.
        where: `file:line: ` and dotted path of the configuration, for the message.
    """
    if config.training.precision == "fp32":
        return []
    reason = _why_no_bf16(torch.device(device))
    if reason is None:
        return []
    return [
        Problem(
            where=".".join(part for part in (where, "training.precision") if part),
            what=f"bf16 would be slow here: {reason}",
            expected="fp32, or a device that computes in bf16",
            fix="set training.precision to fp32",
        )
    ]


def _why_no_bf16(device: torch.device) -> str | None:
    if device.type == "cuda":
        # A cluster's GPUs may be on other machines than this one.
        if not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False):
            return None
        return f"{torch.cuda.get_device_name(device)} only emulates it"
    # Other makes of processor give other names, or none: then nothing is known to be fast.
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False):
        return None
    return (
        f"this CPU ({capabilities.get('cpu_name', 'unknown')}) has neither avx512_bf16 nor "
        "amx_bf16 and emulates it, 8 to 14 times slower than fp32"
    )
