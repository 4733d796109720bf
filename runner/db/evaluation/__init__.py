"""The tables of evaluations: nights of suites, their items, answers, grades and verdicts."""
