"""Experiments in which an oracle labels, in process or through the service."""
