"""Thumbs and comments on executions."""
