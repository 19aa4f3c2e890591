"""The pages of executions: HTTP in, HTML out."""
