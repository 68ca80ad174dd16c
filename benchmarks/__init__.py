"""Figures, side by side with peers in one run: `make bench`, or `python -m benchmarks --help`.

Server CPU per operation over the whole process tree is the figure to compare: rates also depend on the client, which
shares the machine.
"""
