"""Bugsink in a folder of its own: prints the DSN of a project, serves, and answers lines of standard input with its issues."""
import json
import os
import secrets
import subprocess
import sys
import threading

folder, port = sys.argv[1], sys.argv[2]
os.chdir(folder)
with open("bugsink_conf.py", "w") as conf:
    conf.write(f"""from bugsink.settings.default import *
SECRET_KEY = {secrets.token_hex(30)!r}
SENTRY_DSN = None
SNAPPEA = {{"TASK_ALWAYS_EAGER": True}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
BUGSINK = {{"BASE_URL": "http://127.0.0.1:{port}", "SINGLE_USER": True, "SINGLE_TEAM": True, "USER_REGISTRATION": "CB_NOBODY"}}
DATABASES["default"]["NAME"] = {folder!r} + "/db.sqlite3"
if "snappea" in DATABASES:
    DATABASES["snappea"]["NAME"] = {folder!r} + "/snappea.sqlite3"
ALLOWED_HOSTS = ["*"]
PHONEHOME = {{}}
""")
os.environ["DJANGO_SETTINGS_MODULE"] = "bugsink_conf"
sys.path.insert(0, folder)
import django

django.setup()
from django.core.management import call_command

call_command("migrate", verbosity=0)
from projects.models import Project

project = Project.objects.create(name="helpdesk")
serving = subprocess.Popen(
    [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "error", "bugsink.wsgi"],
    env={**os.environ, "PYTHONPATH": folder},
    stdin=subprocess.DEVNULL,
    stdout=sys.stderr,
)
print(f"http://{project.sentry_key.hex}@127.0.0.1:{port}/{project.pk}", flush=True)
threading.excepthook = lambda _: os._exit(1)
try:
    from events.models import Event
    for _ in sys.stdin:
        events = [event.get_parsed_data() for event in Event.objects.order_by("digested_at")]
        print(json.dumps(events), flush=True)
finally:
    serving.terminate()
