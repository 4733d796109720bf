"""Evaluations: suites and their items, the steps of a night, grading, and what a night leaves.

`suite/` reads a suite from its file: `read_suite` asks `suite_file`, `items/`, `suite_faults`,
`suite_requests` (each request read as a job line is) and `suite_warnings`. `items/` has one file for each
form of an item; `item_prompt` makes the request for one.

`night/` has the steps of a night, each of which may be taken again: `tonight` says which night is meant,
`begin_night` stores it whole with its `night_options`, `advance_night` takes the next step:
`load_measurement` (of job lines that `compile_night` makes), grading, and `decide_night`. `stored_night` is
what they work on. `detached_nights` takes them where no command waits. `night_end` writes the
`report_files` and calls the `night_on_end` command; `item_lines` are in one of the files.

`grading/`: `grade_measurement` grades the stored answers by `suite_graders`; graders that may hang are in a
`grader_process`, whose other end is `grader_child`, with a `line_channel` between them. `grader_trial` is
for `check`, `score_file` reads scores that somebody else made.

`regrade_nights` grades stored nights anew, `compared_side` is for `compare`, `github` has the page of a
workflow.
"""
