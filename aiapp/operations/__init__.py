"""What waits, what runs and on which worker, and who may hold it up: for the whole installation, and for one workspace."""
