"""What is known of upstreams and of the process while the gateway runs, and what follows from it: told the time, never asking for it."""
