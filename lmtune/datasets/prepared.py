"""The datasets of one sweep, each prepared once."""

from __future__ import annotations

from pathlib import Path

from lmtune.datasets.dataset import Dataset
from lmtune.datasets.prepare import prepare_dataset
from lmtune.spec.dataset import DatasetConfig


class PreparedDatasets:
    """Token arrays by configuration; each is made once for a sweep and cached on the disk.

    Args:
        project: the folder that `data/` is in.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._prepared: dict[str, Dataset] = {}

    def get(self, config: DatasetConfig, *, where: str = "dataset") -> Dataset:
        """The prepared dataset of a configuration.

        Args:
            config: the `dataset` section.
            where: place of the section in the sweep file, for the messages.

        Raises:
            DataError: the corpus cannot be read or is too short.
        """
        key = config.model_dump_json()
        if key not in self._prepared:
            self._prepared[key] = prepare_dataset(config, project=self._project, where=where)
        return self._prepared[key]
