"""A kept model as an MLflow model, that `mlflow.pyfunc.load_model` loads and generates with."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path

_REQUIREMENTS = ("numpy", "pydantic", "pyyaml", "safetensors", "tokenizers", "torch")
"""What `lmtune.served_model` needs."""

_PARAMETERS = {
    "max_new_tokens": ("long", 200),
    "seed": ("long", 0),
    "decoding": ("string", None),
    "temperature": ("double", None),
    "top_k": ("long", None),
    "top_p": ("double", None),
    "beam_size": ("long", None),
    "length_penalty": ("double", None),
}
"""Of a prediction, with MLflow's names of types and the defaults; None is not asked for."""


def save_mlflow_model(folder: Path, path: Path) -> None:
    """Write an MLflow model, with lmtune's own code in it.

    Args:
        folder: what `packaged_model.keep_model` wrote.
        path: a folder that does not exist yet.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own type hints, when it is imported
        # deferred: half of MLflow, which is needed once a sweep
        from mlflow.models import ModelSignature
        from mlflow.pyfunc import save_model
        from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

        parameters = [ParamSpec(name, *each) for name, each in _PARAMETERS.items()]
        save_model(
            path,
            loader_module="lmtune.served_model",
            data_path=str(folder),
            code_paths=[str(Path(__file__).parents[1])],
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            signature=ModelSignature(
                inputs=Schema([ColSpec("string")]),
                outputs=Schema([ColSpec("string")]),
                params=ParamSchema(parameters),
            ),
        )
