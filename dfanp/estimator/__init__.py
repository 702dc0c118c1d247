"""Interfaces to scikit-learn: networks trained by any rule, for classes and regression, and random features."""

from .classifier import DFAClassifier
from .features import RandomFeatures
from .regressor import DFARegressor

__all__ = ["DFAClassifier", "DFARegressor", "RandomFeatures"]
