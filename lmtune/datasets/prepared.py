"""The datasets of one sweep, each prepared once."""

from __future__ import annotations

from pathlib import Path

from lmtune.datasets.dataset import Dataset
from lmtune.datasets.pair_dataset import PairsDataset
from lmtune.datasets.prepare import prepare_dataset
from lmtune.spec.dataset import DatasetConfig


class PreparedDatasets:
    """Token arrays by configuration; each is made once for a sweep and cached on the disk.

    Args:
        project: the folder that `data/` is in.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._prepared: dict[str, Dataset | PairsDataset] = {}

    def get(self, config: DatasetConfig, *, where: str = "dataset") -> Dataset | PairsDataset:
        """The prepared dataset of a configuration.

        Args:
            config: the `dataset` section.
            where: place of the section in the sweep file, for the messages.

        Raises:
            DataError: the corpus cannot be used.
        """
        key = config.model_dump_json()
        if key not in self._prepared:
            self._prepared[key] = prepare_dataset(config, project=self._project, where=where)
        return self._prepared[key]

    @property
    def by_config(self) -> list[tuple[DatasetConfig, Dataset | PairsDataset]]:
        """All that was prepared, in the order in which it was asked for."""
        return [
            (DatasetConfig.model_validate_json(key), dataset)
            for key, dataset in self._prepared.items()
        ]
