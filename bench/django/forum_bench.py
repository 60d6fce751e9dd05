"""The forum's settings, as it would run under load."""
from project.settings import *  # noqa: F403

ALLOWED_HOSTS = ["desk.example.org"]
DATABASES["default"]["CONN_MAX_AGE"] = None  # noqa: F405
DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"  # noqa: F405
