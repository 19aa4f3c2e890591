"""What a worker does with an execution: lease it, ask in rounds, keep each attempt and the end."""
