"""Running user code: a zygote forks sandboxed workers, a supervisor hands them invocations.

supervisor   Runtime: which worker takes an invocation, when a new one starts, when one ends
backend      what a way of running functions has to offer (protocols)
processes    the backend of this machine: workers forked from zygotes
zygotes      the server's end of a zygote;   channel  its end of a worker
worker/      the other side: zygote, sandbox, loader (any Python from 3.11 on)
package      zip -> folder;   interpreters  runtime -> python;   environment  what AWS sets
logs         lines of stdout and stderr, START, END, REPORT;   outcomes  what an ended invocation answers
cgroups      memory and process limits where they can be written
runtime_api  AWS's HTTP contract with runtimes
"""
