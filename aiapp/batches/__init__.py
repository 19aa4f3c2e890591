"""Batches: a prompt template run with the rows of a table, each row an execution."""
