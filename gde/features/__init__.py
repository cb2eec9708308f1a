"""What turns raw rows into sample vectors, fitted on training rows."""

from gde.features.pipeline import FeaturePipeline

__all__ = ["FeaturePipeline"]
