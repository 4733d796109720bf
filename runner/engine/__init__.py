"""The stages: submit, collect, settle, sweep. They meet only in the database."""
