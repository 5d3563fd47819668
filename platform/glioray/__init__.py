"""From a folder of brain MRI to an honest, explained model behind an HTTP address."""

__version__ = "0.1.0"
