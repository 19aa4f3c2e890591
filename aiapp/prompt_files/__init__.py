"""Prompt templates as files: written and read, by command and in the browser, from here and from other tools."""
