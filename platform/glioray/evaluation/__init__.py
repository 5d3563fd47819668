"""Scores by patient or group with their intervals, and the report that shows them."""
