"""The list of executions: what is asked for, found and counted, kept as a view, written to files."""
