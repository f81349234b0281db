"""Jobs as people and applications look at them, read from the ledger by whoever may open its file.

chat_log, tool_log, console   what was said, called and printed, page by page
story                         all of that in one, with waits and ends, in order
values                        what crossed to a tool and back, as short text
views                         a job with the fields that the seeds name
plain                         all of it in a form that JSON has

Nothing here changes anything, and nothing needs a running scheduler.
"""
