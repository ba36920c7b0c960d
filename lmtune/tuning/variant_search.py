"""One variant's tune phase: its study, its early stopping, and what came of its proposals."""

from __future__ import annotations

from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from lmtune.spec.sweep import Variant
from lmtune.spec.trial import TrialSpec
from lmtune.tuning.early_stopping import VariantAsha
from lmtune.tuning.study import VariantStudy


@dataclass
class VariantSearch:
    """One variant's tune phase."""

    variant: Variant
    study: VariantStudy
    asha: VariantAsha | None
    open: dict[str, FrozenTrial] = field(default_factory=dict)
    """Proposals whose outcome the study has not been told, by trial id."""
    tuned: dict[str, TrialSpec] = field(default_factory=dict)
    """Trials that ended, by trial id."""
    is_confirmed: bool = False

    @property
    def is_over(self) -> bool:
        """Nothing runs and nothing is left to propose."""
        return not self.open and self.study.num_left == 0
