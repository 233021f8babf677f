"""The admin side: what whoever runs a gateway sees of it, and does to it. It listens on a port of its own, never on the endpoints'.

Above the app, since it looks at what the app runs (`Gateway.running`) and no request of a client's ever comes here. Each subject is a
module with a function `routes(gateway)`; `app` puts them together behind one entrance (`access`), and `/api` lists them. What comes later
has its place: another subject, and a line in `app.SUBJECTS`.
"""
