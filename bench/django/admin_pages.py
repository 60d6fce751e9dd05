"""The pages of Django's admin over the rows of `bench_part`, in this process: name and median in ms.

python admin_pages.py sqlite:/path/to/file | postgres://user@host/name, and the number of rounds
"""

import statistics
import sys
import time
from urllib.parse import urlsplit

import django
from django.conf import settings


def database(url):
    if url.startswith("sqlite:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:")}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": None,
    }


settings.configure(
    DATABASES={"default": database(sys.argv[1])},
    SECRET_KEY="measured only",
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    STATIC_URL="/static/",
    USE_TZ=True,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import models  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402


class Part(models.Model):
    name = models.CharField(max_length=80)
    status = models.CharField(
        max_length=10, choices=[(one, one) for one in ("open", "closed", "rare")]
    )
    made_at = models.IntegerField()

    class Meta:
        # an installed app
        app_label = "auth"
        db_table = "bench_part"
        managed = False


@admin.register(Part)
class PartAdmin(admin.ModelAdmin):
    list_display = ["name", "status", "made_at"]
    list_filter = ["status"]
    search_fields = ["^name"]
    ordering = ["-made_at"]
    list_per_page = 50


urlpatterns = [path("admin/", admin.site.urls)]

PAGES = {
    "list": "",
    "filter": "?status__exact=open",
    "rare filter": "?status__exact=rare",
    "next page": "?p=2",
    "page 20,000": "?p=20000",
    "page 19,999": "?p=19999",
    "search, hit": "?q=part+99999",
    "search, miss": "?q=yebra",
}

client = Client()
client.force_login(get_user_model().objects.get(username="root"))
for name, query in PAGES.items():
    times = []
    for _ in range(int(sys.argv[2])):
        begun = time.perf_counter()
        answer = client.get(f"/admin/auth/part/{query}")
        times.append((time.perf_counter() - begun) * 1e3)
        assert answer.status_code == 200, (answer.status_code, name)
    print(f"{name}\t{statistics.median(times):.3f}", flush=True)
