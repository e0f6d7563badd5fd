"""Model studies: models trained on the whole pool, compared by error and per-item scores."""
