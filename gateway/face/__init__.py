"""The Python face: an endpoint as a class, whose fields are its steps and their types.

    class Home(Endpoint, path="/v1/home/{user_id}", timeout="2s"):
        user: User = step("users /users/{path.user_id}")

A class says what a config says, in the same words. It becomes the same data, which is loaded and compiled with the config's own.
"""

from __future__ import annotations

from gateway.face.endpoint import Endpoint, StepWriter, has_path, step
from gateway.face.reading import Written, read_class

__all__ = ["Endpoint", "StepWriter", "Written", "has_path", "read_class", "step"]
