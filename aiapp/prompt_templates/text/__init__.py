"""What a prompt template says: its grammar, its variables and their values, how it is filled, written down and read."""
