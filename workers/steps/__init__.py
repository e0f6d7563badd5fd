"""Steps of jobs and replays as pure functions of arrays; they know of no database."""
