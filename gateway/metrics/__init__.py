"""What many requests come to together: figures, counted from the same records that spans and waterfalls are printed from.

Finished traces are counted (`state`), what nobody records is read when somebody looks (`gauges`). Both make a `Snapshot` (`figures`), which
is what goes out: as text that Prometheus reads (`exposition`), or from one process to the next, since snapshots can be added.
"""
