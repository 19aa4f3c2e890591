"""Prompt templates: texts with variables, their versions, how they are compared."""
