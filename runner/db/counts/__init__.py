"""Counters, series and costs of runs, changed in the transaction of what they count."""
