"""What a system administrator sets for the whole installation; workspaces inherit it."""
