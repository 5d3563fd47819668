"""Step 4 for two models or more: who is better on the same patients, by how much, and at which cost."""
