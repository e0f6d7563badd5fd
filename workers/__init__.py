"""Where database and torch meet: jobs, round steps, simulation, reports and the `svp` command."""
