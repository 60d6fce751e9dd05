"""Users of the forum's own: with a nickname, in a table of its own, with numbers of 64 bits."""
from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    id = models.BigAutoField(primary_key=True)
    nickname = models.CharField(max_length=40, blank=True)
    birthday = models.DateField(null=True, blank=True)
