"""The report of core-sets: Tables 2 to 4, Figures 2 and 7."""
