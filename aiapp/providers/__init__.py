"""The pure provider core: requests and answers as values, dialects as bytes in and values out. No Flask, no database, no queue."""
