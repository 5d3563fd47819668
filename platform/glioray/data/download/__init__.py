"""The public data sets of the field, fetched from Kaggle, checked, and laid out as their sources expect."""
