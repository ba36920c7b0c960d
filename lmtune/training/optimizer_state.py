"""An optimizer's state as named tensors, which safetensors can hold, and back.

Names are `<parameter>.<key>`, so that a checkpoint does not depend on the order of parameters.
What an optimizer is set to (learning rate, decay) follows from the configuration and is not kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import Optimizer


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """The tensors that the optimizer keeps for the model's parameters."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": tensor
        for parameter, state in optimizer.state.items()
        for key, tensor in state.items()
    }


def load_optimizer_tensors(
    model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Give a new optimizer what `optimizer_tensors` took from another.

    Raises:
        KeyError: a tensor belongs to no parameter of the model.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    index_of = {names[parameter]: index for index, parameter in enumerate(parameters)}
    state: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition(".")
        state[index_of[name]][key] = tensor
    # Through torch's own loader, which puts each tensor on the device that its kernel wants.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": dict(state), "param_groups": groups})
