"""The report of active learning: Table 1 and Figure 6."""
