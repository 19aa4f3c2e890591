"""What starts the app; imported by nothing."""
