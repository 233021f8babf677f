"""What upstreams say of themselves in OpenAPI, and what follows from it for the answers: the schema of what each expression finds."""
