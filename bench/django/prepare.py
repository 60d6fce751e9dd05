"""Signs ann in, and prints what her browser sends: the cookies, and the token of her forms."""

import site_
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.middleware.csrf import _get_new_csrf_string

assert site_.application
ann = User.objects.get(username="ann")
session = SessionStore()
session[SESSION_KEY] = str(ann.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
session.create()
token = _get_new_csrf_string()
print(f"sessionid={session.session_key}; csrftoken={token}")
print(token)
