"""Boards hold topics, topics hold posts."""
from django.conf import settings
from django.db import models


class Board(models.Model):
    name = models.CharField(max_length=80, unique=True)

    def __str__(self):
        return self.name


class Topic(models.Model):
    board = models.ForeignKey(Board, on_delete=models.CASCADE)
    title = models.CharField(max_length=120)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    opened = models.DateTimeField(auto_now_add=True)
    is_closed = models.BooleanField(default=False)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="read_topics", blank=True)

    class Meta:
        permissions = [("close_topic", "Can close a topic")]

    def __str__(self):
        return self.title


class Post(models.Model):
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    text = models.TextField()
    written = models.DateTimeField(auto_now_add=True)
    answers = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    stars = models.DecimalField(max_digits=3, decimal_places=1, default=0)
