"""JMESPath: what a config refers to, and how that is found in the values at hand."""
