"""MLflow's door to a model that `packaged_model` kept: what `mlflow.pyfunc.load_model` calls.

    model = mlflow.pyfunc.load_model("runs:/RUN_ID/model")
    model.predict(["Once upon a time"], params={"max_new_tokens": 100, "seed": 1})

Weights are safetensors; nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmtune.packaged_model import open_model
from lmtune.trained_trial import TrainedTrial
from lmtune.writing import decoding_config, usual_decoding, written_pieces

MAX_NEW_TOKENS = 200


class ServedModel:
    """Writes a text for each prompt, or the target of each source.

    Args:
        trained: the trial, with its vocabulary and its model.
    """

    def __init__(self, trained: TrainedTrial) -> None:
        self.trained = trained

    def predict(
        self,
        model_input: Any,  # noqa: ANN401 - MLflow hands on what it was given
        params: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """The texts, without their prompts.

        Args:
            model_input: prompts: a list, or a table of one column.
            params: max_new_tokens, seed; decoding (greedy, sample or beam) and what belongs to it:
                temperature, top_k, top_p, beam_size, length_penalty.

        Raises:
            UserError: a parameter is not known or out of range, or a prompt is empty or too long.
        """
        options = {name: value for name, value in (params or {}).items() if value is not None}
        max_new_tokens = int(options.pop("max_new_tokens", MAX_NEW_TOKENS))
        seed = int(options.pop("seed", 0))
        kind = options.pop("decoding", None)
        decoding = (
            decoding_config(kind, options) if kind or options else usual_decoding(self.trained)
        )
        return [
            "".join(
                written_pieces(
                    self.trained, prompt, decoding, max_new_tokens=max_new_tokens, seed=seed
                )
            )
            for prompt in _prompts(model_input)
        ]


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow looks for in a loader module, under this name."""
    return ServedModel(open_model(Path(path)))


def _prompts(model_input: Any) -> list[str]:  # noqa: ANN401 - as above
    if isinstance(model_input, str):
        return [model_input]
    if hasattr(model_input, "columns"):
        model_input = model_input[model_input.columns[0]]
    return [str(prompt) for prompt in model_input]
