"""The client's side: endpoints as routes, requests as values, answers as responses. FastAPI's objects stay in here."""
