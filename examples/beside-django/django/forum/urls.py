from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("latest", views.latest),
    path("topics/<int:topic_id>/", views.topic),
    path("me.json", views.me),
    path("choose", views.choose),
    path("read.json", views.read),
    path("upload", views.upload),
    path("slowly", views.slowly),
]
