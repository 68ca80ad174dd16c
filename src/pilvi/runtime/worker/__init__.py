"""What runs on the other side: the zygote, the sandbox and the loader of functions.

Standard library and ctypes only, relative imports only: this folder is handed as a path to whatever interpreter
(3.11 or later) a function's runtime names, and that interpreter has none of our dependencies.
"""
