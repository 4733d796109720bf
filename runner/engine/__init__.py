"""The stages: submit, collect, settle, reaper. A job goes from one to the next by its row in the database.

Within a worker they share what `shared` lists: the runs at work, estimates, slots, and who wakes whom.
"""
