"""Training of one network: steps of SGD, feeds, checkpoints, several processes."""
