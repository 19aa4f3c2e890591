"""Executions: prompts that workers have models answer, attempt by attempt."""
