"""The `svp` command; heavy imports stand inside the commands."""
