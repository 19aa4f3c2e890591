"""The pure provider core: values in, bytes out and back. No Flask, no database, no queue."""
