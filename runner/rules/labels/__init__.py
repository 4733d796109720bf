"""Labels: the language and the schemas, the contract of an answer, and what becomes of each row. Pure."""
