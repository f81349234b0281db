"""What an application calls: jobs, messages, queues, futures; in the scheduler's process or from another one."""
