"""Pages of the forum."""
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .models import Post, Topic


@login_not_required
def index(request):
    return render(request, "forum/index.html", {"topics": Topic.objects.select_related("board").order_by("-opened")[:20]})


@login_not_required
def latest(request):
    """As it was here before it moved: nobody comes to it any more but straight to Django."""
    posts = Post.objects.select_related("topic", "author").order_by("-written")[:20]
    return render(request, "forum/latest.html", {"posts": posts})


def topic(request, topic_id):
    found = get_object_or_404(Topic, pk=topic_id)
    if request.method == "POST":
        Post.objects.create(topic=found, author=request.user, text=request.POST["text"])
        messages.success(request, f"Your answer to <{found}> is kept.")
        return redirect(request.POST.get("next") or request.path)
    return render(request, "forum/topic.html", {"topic": found, "posts": found.post_set.select_related("author")})


@login_not_required
def me(request):
    """Who Django thinks is there, and what it believes of what came along."""
    return JsonResponse(
        {
            "user": request.user.get_username(),
            "permissions": sorted(request.user.get_all_permissions()),
            "client": request.headers.get("X-Forwarded-For"),
            "is_secure": request.is_secure(),
            "headers": sorted(name.lower() for name in request.headers),
            "cookies": sorted(request.COOKIES),
            "choice": request.get_signed_cookie("choice", default=None, salt="forum"),
        }
    )


@login_not_required
def choose(request):
    """Signed values of both kinds, for whoever has the key."""
    response = HttpResponse(signing.dumps({"chosen": request.GET["what"]}, salt="forum"))
    response.set_signed_cookie("choice", request.GET["what"], salt="forum")
    return response


@login_not_required
def read(request):
    return JsonResponse(signing.loads(request.GET["signed"], salt="forum"))


@login_not_required
def upload(request):
    """How much arrives, as it arrives."""
    size = sum(len(chunk) for file in request.FILES.values() for chunk in file.chunks())
    return JsonResponse({"bytes": size})


@login_not_required
def slowly(request):
    """A line each half second."""
    import time

    def lines():
        for number in range(3):
            yield f"line {number}\n"
            time.sleep(0.5)

    return StreamingHttpResponse(lines(), content_type="text/plain")
