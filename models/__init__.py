"""Networks and their training; knows nothing of web, database, queue or selection."""
