"""The loop that every worker runs (plain torch), and the worker that Ray Train starts."""
