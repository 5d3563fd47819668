"""Trained models as folders that explain themselves, and the store that names and versions them."""
