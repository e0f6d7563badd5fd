"""The service on one machine: its parts, their supervision, their logs and health."""
