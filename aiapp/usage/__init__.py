"""What executions use and cost."""
