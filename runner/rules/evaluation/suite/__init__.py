"""What a suite file says. Pure.

`suite_table` and `gate_table` read its tables into a `suite`; `suite_items` says where its `item`s are.
"""
