"""Interfaces to scikit-learn: networks trained by any rule as a classifier, and random features as a transformer."""

from .classifier import DFAClassifier
from .features import RandomFeatures

__all__ = ["DFAClassifier", "RandomFeatures"]
