"""Recovery: jobs that a worker held and works on no more come back, each exactly once.

A worker holds a job by a lease with an end and a generation (`db.workers.leases`). Who holds none moves
no row, so however often recovery runs, and whoever runs it, a job is moved once. It has four triggers:

1. An engine starts, or one of its workers ended (`embedded.engine`). The engine recovers all dead workers of
   this host: the kernel has freed the lock on their spool. What the spool says decides (`dead_workers`).
2. The reaper, every few seconds, in one of the workers. The same, for hosts without an engine.
3. The reaper again: leases that have ended, of workers that sent no heartbeat for 30 s by the database's
   clock. Only the row is known of them (`expired_leases`): this is for a lost machine.
4. Each heartbeat of a worker, for itself: its own leases that have ended and that no task of it works on.
   Only the row is known as well.

From the spool the first two know of each attempt whether it was sent, accepted or answered. To the others a
request that may have left is an unknown outcome, and an answer that was being fetched is asked for again
(`requeue`). A spool that turns up later is imported all the same; its results are late, kept and priced.
"""
