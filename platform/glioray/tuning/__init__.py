"""The search: what may be moved, the study that remembers, trials through Ray Tune, the report."""
