"""Evaluations: suites and their items, the steps of a night, grading, and what a night leaves.

A suite, from its file: `read_suite` asks `suite_file`, `items/`, `suite_faults`, `suite_requests` (each
request read as a job line is) and `suite_warnings`; `grader_trial` and `suite_detectable` are for `check`.

The steps of a night, each of which may be taken again: `tonight` says which night is meant, `begin_night`
stores it whole with its `night_options`, `advance_night` takes the next step: `load_measurement` (of job
lines that `compile_night` and `item_prompt` make), `grade_measurement`, `regrade_nights` for the nights
before, and `decide_night`. `stored_night` is what they work on. `detached_nights` takes them where no
command waits.

Grading: `grading` opens the graders of a suite; those that may hang are in a `grader_process`, whose other
end is `grader_child`, with a `line_channel` between them.

What a night leaves: `night_end` writes the `report_files` and calls the `night_on_end` command;
`item_lines` are in one of the files; `github` has the page of a workflow. `compared_side` and `score_file`
are for `compare`.
"""
