"""Models of how long a patient lives, each with settings to choose among; all answer in days.

Regressions learn the logarithm of the days, and from those who died alone. Cox's and the accelerated failure time
model learn from patients too who lived when last heard of.

Sources: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; accelerated failure time, Wei 1992,
doi:10.1002/sim.4780111409, both as in lifelines; the others as in scikit-learn.

Shapes: N patients, F features.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, LogNormalAFTFitter
from lifelines.exceptions import ConvergenceError
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOT_FITTED = (ConvergenceError, np.linalg.LinAlgError, ValueError)
"""what a fit raises on data that it finds no answer for"""


class SurvivalModel(Protocol):
    """Learns from patients, answers for others."""

    def fit(self, inputs: Floats, days: Floats, has_died: Bools) -> None:
        """Inputs (N,F), NaN where a feature is not defined; days (N,) to death, or for those who lived to the last."""

    def predict(self, inputs: Floats) -> Floats:
        """(N,) days, the middle of what is expected."""


class LogDays:
    """A regression on the logarithm of the days of those who died."""

    def __init__(self, regressor: Any) -> None:
        """Takes a regressor of scikit-learn."""
        steps = Pipeline([*_prepared().steps, ("regressor", regressor)])
        self.steps = TransformedTargetRegressor(steps, func=np.log, inverse_func=np.exp)

    def fit(self, inputs: Floats, days: Floats, has_died: Bools) -> None:
        """See `SurvivalModel`."""
        self.steps.fit(inputs[has_died], days[has_died])

    def predict(self, inputs: Floats) -> Floats:
        """See `SurvivalModel`."""
        return np.asarray(self.steps.predict(inputs), dtype=np.float64)


class Censored:
    """A model of lifelines, which learns from the living too; days without an end are the most that it has seen."""

    def __init__(self, fitter: Any) -> None:
        """Takes a fitter of lifelines that predicts a median."""
        self.fitter = fitter
        self.steps = _prepared()
        self.most_days = 0.0

    def fit(self, inputs: Floats, days: Floats, has_died: Bools) -> None:
        """See `SurvivalModel`."""
        self.most_days = float(days.max())
        table = _table(self.steps.fit_transform(inputs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about calls that lifelines makes
            self.fitter.fit(table.assign(days=days, has_died=has_died), duration_col="days", event_col="has_died")

    def predict(self, inputs: Floats) -> Floats:
        """See `SurvivalModel`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            medians = self.fitter.predict_median(_table(self.steps.transform(inputs)))
        # Cox's curve of a patient may never fall to one half.
        days = np.asarray(medians, dtype=np.float64).ravel()
        return np.where(np.isfinite(days), days, self.most_days)


class Median:
    """The same for everyone: the median of those who died."""

    def fit(self, inputs: Floats, days: Floats, has_died: Bools) -> None:
        """See `SurvivalModel`."""
        del inputs
        self.days = float(np.median(days[has_died]))

    def predict(self, inputs: Floats) -> Floats:
        """See `SurvivalModel`."""
        return np.full(len(inputs), self.days)


def line() -> SurvivalModel:
    """A straight line through the logarithm of the days."""
    return LogDays(LinearRegression())


def _forest(leaf: int) -> SurvivalModel:
    return LogDays(RandomForestRegressor(100, min_samples_leaf=leaf, max_features=0.5, random_state=0))


def _boosted(depth: int) -> SurvivalModel:
    regressor = GradientBoostingRegressor(
        n_estimators=80, learning_rate=0.05, max_depth=depth, subsample=0.7, random_state=0
    )
    return LogDays(regressor)


CANDIDATES: Mapping[str, Callable[[], SurvivalModel]] = {
    "ridge, alpha 1": lambda: LogDays(Ridge(1.0)),
    "ridge, alpha 10": lambda: LogDays(Ridge(10.0)),
    "ridge, alpha 100": lambda: LogDays(Ridge(100.0)),
    "lasso, alpha 0.02": lambda: LogDays(Lasso(0.02)),
    "lasso, alpha 0.05": lambda: LogDays(Lasso(0.05)),
    "random forest, leaf 5": lambda: _forest(5),
    "random forest, leaf 15": lambda: _forest(15),
    "gradient boosting, depth 1": lambda: _boosted(1),
    "gradient boosting, depth 2": lambda: _boosted(2),
    "Cox, penalizer 0.1": lambda: Censored(CoxPHFitter(penalizer=0.1)),
    "Cox, penalizer 1": lambda: Censored(CoxPHFitter(penalizer=1.0)),
    "log-normal AFT, penalizer 0.1": lambda: Censored(LogNormalAFTFitter(penalizer=0.1)),
}
"""what the inner folds choose among"""


def _prepared() -> Pipeline:
    """Gaps filled by the median, constants left out, the rest standardized; all learned on the train side alone."""
    return make_pipeline(SimpleImputer(strategy="median"), VarianceThreshold(), StandardScaler())


def _table(values: Floats) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"feature_{index}" for index in range(values.shape[1])])
