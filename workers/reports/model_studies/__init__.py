"""The report of model studies: Figures 3 to 5 and 8 to 13."""
