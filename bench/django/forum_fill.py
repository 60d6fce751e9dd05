"""Twenty answers, and a session of somebody who reads them: prints its key. Run by `manage.py shell`."""
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from forum.models import Board, Post, Topic

user = get_user_model().objects.create_user("ann", "ann@example.org", "correct horse battery staple")
topic = Topic.objects.create(board=Board.objects.create(name="General"), title="First", author=user)
for number in range(20):
    Post.objects.create(topic=topic, author=user, text=f"Answer number {number}, in a line or two.")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
