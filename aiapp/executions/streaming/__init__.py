"""An answer on its way: published piece by piece by the worker, handed on to everybody who reads along."""
