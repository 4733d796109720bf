"""Evaluations: from a suite to the verdict of a night. Pure.

The suite: `suite_table` and `gate_table` read its tables into a `suite`; `suite_items` says where its
`item`s are. `graders/` make a `grade` of an answer that `read_answer` read.

A night: `night_facts` has all that is known of it; `make_report` makes its `night_report` of that, by
`gate_reports`, `grader_reports`, `item_changes` and `night_services`. Each looks at a `column_night`: one
variant and one grader beside its baseline, with the noise that `past_noise` learned. `night_gate` decides
whether a column dropped, `verdicts` which gate decides and what follows; `gate_text` says why.

Scores: `scores` by item, `score_sums` of one side. `scored_night` is a night of `compare`, from scores alone.

What is stored: `suite_json`, `item_json`, `night_content` (hashes), `report_summary` (numbers for lists);
`kept_answers` says which nights keep their answers.

What is shown: `plain_words`, `forms/` for screens and files, `workflow_commands` for GitHub Actions.
"""
