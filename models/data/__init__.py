"""Inputs of networks: arrays, images, texts and readers of data sets."""
