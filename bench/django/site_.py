"""The helpdesk's pages on Django, as its documentation has them written: sessions and users in the database, CSRF, CSP and the security headers on."""

import os

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="a key for a measurement, and for nothing else at all 0123456789",
    ALLOWED_HOSTS=["desk.example.org"],
    ROOT_URLCONF="site_",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"},
        }
    },
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [os.path.join(os.path.dirname(__file__), "templates")],
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    SECURE_CSP={"default-src": ["'none'"], "style-src": ["'self'"], "img-src": ["'self'"], "form-action": ["'self'"]},
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    SECURE_SSL_REDIRECT=True,
    SECURE_HSTS_SECONDS=31536000,
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True,
    STATIC_URL="/static/",
    STATIC_ROOT=os.path.join(os.path.dirname(__file__), "../../crates/palisade/src/static_files"),
    LOGIN_URL="/account/login",
    USE_TZ=True,
)
django.setup()

from django.contrib import messages  # noqa: E402
from django.contrib.auth.decorators import login_required  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django import forms  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.shortcuts import redirect, render  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402


class Ticket(models.Model):
    subject = models.CharField(max_length=120)
    body = models.TextField()
    status = models.CharField(max_length=20)
    customer_id = models.IntegerField()
    customer_name = models.CharField(max_length=150)
    assignee_id = models.IntegerField(null=True)
    assignee_name = models.CharField(max_length=150, null=True)
    version = models.IntegerField()
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        app_label = "helpdesk"
        db_table = "helpdesk_ticket"
        managed = False


class Filter(forms.Form):
    STATES = [("", "Any"), ("open", "Open"), ("waiting", "Waiting"), ("resolved", "Resolved"), ("closed", "Closed")]
    q = forms.CharField(max_length=100, required=False)
    status = forms.ChoiceField(choices=STATES, required=False)
    order = forms.ChoiceField(choices=[("newest", "Newest"), ("oldest", "Oldest")], required=False)


class NewTicket(forms.Form):
    subject = forms.CharField(max_length=120)
    body = forms.CharField(max_length=10000, widget=forms.Textarea)


def front(request):
    return render(request, "front.html")


def status(request):
    counted = Ticket.objects.filter(status__in=["open", "waiting", "resolved"]).values_list("status").annotate(models.Count("id"))
    return JsonResponse(dict(counted))


@login_required
def tickets(request):
    if request.method == "POST":
        form = NewTicket(request.POST)
        if form.is_valid():
            now = timezone.now()
            ticket = Ticket.objects.create(
                status="open", customer_id=request.user.id, customer_name=request.user.username, version=1, opened_at=now, changed_at=now,
                **form.cleaned_data,
            )
            # kept in the session, as the others keep it
            request.session["message"] = f"Ticket {ticket.id} is open. We will answer soon."
            return redirect(f"/tickets/{ticket.id}")
        return render(request, "tickets/list.html", {"filter": form, "tickets": []}, status=422)
    found = list(Ticket.objects.filter(customer_id=request.user.id).order_by("-changed_at", "-id")[:21])
    values = {"title": "Your tickets", "tickets": found[:20], "has_more": len(found) > 20, "filter": Filter(request.GET or None)}
    return render(request, "tickets/list.html", values)


urlpatterns = [path("", front), path("status", status), path("tickets", tickets)]

application = get_wsgi_application()
