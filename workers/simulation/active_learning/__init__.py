"""Active learning: rounds of labeling, with arms that differ in their selectors."""
