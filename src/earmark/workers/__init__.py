"""Disposable worker processes, shared by the library, `tag_many`, `earmark tag --jobs` and the server.

Layout. A pool runs an event loop in a thread of the caller's process, with one task for each worker. A worker is a
child of that process, `python -m earmark.workers.worker MODULE:FACTORY`. It has two pipes of its own: one for the setup
and the jobs, one for the answers. Workers share no pipe and no lock, so a worker that dies cannot block another worker
or truncate its message. A worker does not import the caller's main module, so a script needs no
`if __name__ == "__main__"`. The server has an event loop already and uses the same worker processes without a pool.

Limits. A worker may take START_SECONDS to start. A worker that does not start is tried START_TRIES times in a row, or
START_TRIES_OF_KILLS times if it is killed from outside, with the pauses of START_PAUSES_SECONDS in between. A job may
take the seconds that the caller allows; then the worker is killed. All times are measured by the monotonic clock of the
event loop, so changes of the system's time have no effect.

What happens when a process ends:

- A worker ends before it is ready: the pool starts it again. After the last try, WorkerError says how the worker ended
  and what it wrote to stderr.
- A worker ends before it begins a job: the pool starts it again and gives it the same job.
- A worker ends during a job: the answer to that job is Ended. The next job starts a new worker.
- A worker exceeds its time: the pool kills it, and the answer is Late.
- The caller ends: a thread in each worker reads the job pipe, reaches its end, and ends the worker. If a decoder keeps
  that thread from running, the system's alarm ends the worker GRACE_SECONDS after the time that its job was allowed.

Choice: asyncio subprocesses instead of a library's process pool. Pebble 5.2 was tested. Its multiprocessing writes
the worker's setup to a pipe and also holds the other end of that pipe open, so a worker that dies while it starts
blocks the pool forever. Its time limits follow the system's time. Its workers share one pipe, and a killed worker
leaves half a message in it. loky has no time limits, and concurrent.futures abandons all jobs when one worker dies.
"""
