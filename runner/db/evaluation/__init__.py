"""The tables of evaluations, `eval_*`.

Written: `nights` (begun, ended by a verdict, accepted, pinned), their `items` and `graders` (each version
once), their `measurements` (which run), `grades` with the answers that were graded; `interned` words.

Read: `job_results` of a run page by page, to be graded; `facts` of a night and those before it, by way of
`stored_scores` and `answer_groups`; `stored_labels`; `history` and `night_runs` for lists.
"""
