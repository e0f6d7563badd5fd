"""Jobs: the worker that claims rows, the process of each job, and what a job reads and stores."""
