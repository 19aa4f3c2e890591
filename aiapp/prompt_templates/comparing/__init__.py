"""Two versions beside each other, and three woven into one."""
