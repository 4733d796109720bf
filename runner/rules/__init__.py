"""Pure decisions: no I/O, no clock, no randomness, no environment. All of those come in as arguments.

| folder | what is decided there |
|---|---|
| `requests`, `json_text` | what a line of a job file asks for, or what is wrong with it |
| `other_files`, `foreign` | what a file or a line is that is no job; job lines of other services |
| `recipes`, `labels` | which rows of a table become requests, and how; and their answers columns |
| `sending` | what is sent next, how fast, when its answer is asked for, when a run pauses |
| `replies` | what a reply means, and what follows it |
| `costs` | what a run will cost, and what it may still spend |
| `evaluation`, `statistics` | whether a night got worse |
| `servers` | addresses of servers, and what their errors mean |

Beside them: the states (`states`), the errors (`errors`, `exit_codes`, `explain`), the facts about models
(`models`, `prices`, `money`), the kinds of events, the state of workers, the numbers of a run over time and
its summary, and how texts and numbers of people are read and shown.
"""
