"""Home: what a workspace looks like today, and what is left to set up."""
