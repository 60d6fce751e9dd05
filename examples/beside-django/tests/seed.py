"""Fills the forum for a test: run by `manage.py shell`, with SEED in the environment."""
import json
import os
import random

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group, Permission
from forum.models import Board, Post, Topic

User = get_user_model()
PASSWORD = "correct horse battery staple"
for name in ["ann", "bob", "cid", "dot", "eve", "fay", "gil", "hal"]:
    user = User(username=name, email=f"{name}@example.org", is_active=True)
    # an old hash, as a table that has grown for years holds them
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "saltsaltsaltsaltsaltsa", 1000)
    user.save()
root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
board = Board.objects.create(name="General")
topic = Topic.objects.create(board=board, title="First & <best>", author=root)
Post.objects.create(topic=topic, author=root, text="Welcome")

# people with all kinds of rights
chance = random.Random(int(os.environ.get("SEED", "1")))
permissions = list(Permission.objects.select_related("content_type"))
groups = []
for number in range(6):
    group = Group.objects.create(name=f"group {number}")
    group.permissions.set(chance.sample(permissions, chance.randrange(len(permissions) // 2)))
    groups.append(group)
for number in range(40):
    user = User.objects.create(
        username=f"person{number}",
        is_active=chance.random() > 0.2,
        is_staff=chance.random() > 0.7,
        is_superuser=chance.random() > 0.9,
        password="!",
    )
    user.groups.set(chance.sample(groups, chance.randrange(4)))
    user.user_permissions.set(chance.sample(permissions, chance.randrange(5)))
