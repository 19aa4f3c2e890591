"""What is kept of executions, for how long, encrypted or not, and who sees it."""
