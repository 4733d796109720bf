"""The stages: submit, collect, settle, reaper. They meet only in the database."""
