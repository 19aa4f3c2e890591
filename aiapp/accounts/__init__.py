"""People: sign-in, sessions, profile, API tokens."""
