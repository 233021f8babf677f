"""The journal: which requests there were, kept for who looks later. A bounded SQLite file that all processes of a gateway write to.

    1  a finished trace is put in, if it is to be kept        keeping   on the loop: a decision and a queue, 1 µs
    2  what waits is encoded and written, five times a second  state     in a thread of its own
    3  rows are found by what is asked                         file      in another thread
    4  a row is a trace again                                  record

A journal in trouble (no disk left, a file that is none of ours) costs what it would have kept, and a line in the log.
"""
