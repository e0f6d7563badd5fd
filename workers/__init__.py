"""Jobs, round steps, simulation, reports and the `svp` command; here database and torch meet."""
