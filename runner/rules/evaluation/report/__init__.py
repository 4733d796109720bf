"""A night and its report. Pure.

`night_facts` has all that is known of it; `make_report` makes its `night_report` of that, by `gate_reports`,
`grader_reports`, `item_changes` and `night_services`. Each looks at a `column_night`: one variant and one
grader beside its baseline. `verdicts` says which gate decides and what follows; `gate_text` says why.

What is stored beside it: `night_content` (hashes) and `report_summary` (numbers for lists).
"""
