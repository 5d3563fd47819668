"""Synthetic brain MRI with real anatomy and true masks: the data that glioray carries in itself."""

from glioray.data.phantom.settings import PhantomSettings
from glioray.data.phantom.write import PhantomSummary, write_phantom

__all__ = ["PhantomSettings", "PhantomSummary", "write_phantom"]
