"""What Django says of every user and every permission, as JSON: run by `manage.py shell`."""
import json

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

names = [f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")]
print(
    json.dumps(
        [
            {"id": user.pk, "name": user.username, "active": user.is_active, "has": {name: user.has_perm(name) for name in names}}
            for user in get_user_model().objects.all()
        ]
    )
)
