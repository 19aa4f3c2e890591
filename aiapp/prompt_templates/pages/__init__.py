"""The pages of prompt templates: HTTP in, HTML out."""
