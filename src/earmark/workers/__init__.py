"""Disposable worker processes, shared by the library, `earmark tag --jobs` and the server.

Layout. A pool runs in its caller's process: an event loop in a thread, with one task for each worker. A worker is a
child of that process, `python -m earmark.workers.worker MODULE:FACTORY`, with two pipes of its own: setup and jobs in,
answers out. No two workers share a pipe or a lock, so one that dies can neither block another nor cut its message. A
worker imports nothing of its caller's, so a script needs no `if __name__ == "__main__"`. The server, which has an event
loop itself, uses the same worker processes without the pool's thread.

Limits. A start may take START_SECONDS. A worker that cannot be started is tried START_TRIES times in a row, or
START_TRIES_OF_KILLS times where it is killed from outside, with the pauses of START_PAUSES_SECONDS between. A job may
take the seconds that its caller allows; then the worker is killed. All of it is measured by the monotonic clock of the
event loop, which no change of the time of day touches.

What happens when a process ends:

- a worker, before it is ready: it is started again. After the last try WorkerError says how it ended and what it wrote
  to stderr.
- a worker, before it began a job: it is started again, and gets the same job.
- a worker, on a job: the answer to that job is Ended. The next job starts a new worker.
- a worker that exceeds its time: it is killed, and the answer is Late.
- the caller: a thread of each worker reads the job pipe, finds its end, and ends the worker. Where a decoder keeps that
  thread from running, an alarm of the system ends the worker GRACE_SECONDS after the time that its job was allowed.

Choice: subprocesses of asyncio instead of a kept pool. Measured with pebble 5.2: multiprocessing writes the worker's
setup to a pipe whose other end it holds open itself, so a worker that dies while it starts blocks the pool for ever;
time limits follow the time of day; all workers share one pipe, in which a killed worker leaves half a message. loky has
no time limits, and concurrent.futures gives all jobs up when one worker dies.
"""
