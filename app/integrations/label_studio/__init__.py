"""Label Studio as we talk to it: by its HTTP API alone."""
