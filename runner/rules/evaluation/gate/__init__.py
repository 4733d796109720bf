"""Did the scores of a night drop against the nights before, or is it noise? Pure.

`scores` by item and `score_sums` of one side go in; `past_noise` learns from the nights of the `pool` how far
nights are apart without a reason; `night_gate` decides. `scored_night` is a night of `compare`: scores alone.
"""
