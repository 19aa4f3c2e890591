"""Telling other systems what happened: signed, retried, kept until it is delivered or given up."""
