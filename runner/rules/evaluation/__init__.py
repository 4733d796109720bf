"""Evaluations: from a suite to the verdict of a night. Pure.

| folder | what is in it |
|---|---|
| `suite` | what a suite file says: its tables, its items, and both as JSON, as they are stored |
| `graders` | what a grader sees of an answer, and the grade that it gives |
| `gate` | did the scores drop against the nights before, or is it noise? |
| `report` | a night: what is known of it, and the report that is made of that |
| `forms` | the report as words, Markdown, JUnit XML, CSV and annotations of GitHub Actions |

`plain_words` has the words that reports, forms and screens share; `kept_answers` says which nights keep their
answers.
"""
