"""What the client gets: a template filled in, merged, chosen from, with what stands before it. Pure, but for users' functions."""
