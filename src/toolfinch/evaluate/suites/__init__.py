"""The suites: those of the package as `.jsonl` files, and one reader for each public one.

A reader has one function, `read(folder)`: an `Example` for each decision that it can say the right answer of,
and a `Dropped` with its reason for each row that it leaves out. The public data is not part of the package.
"""
