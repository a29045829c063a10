"""A page behind a login with Django's guard against forged requests, and the settings of a new project.

The environment's DJANGO_SETTINGS, a JSON object, holds further settings.
"""

import json
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path

settings.configure(
    DEBUG=True,
    SECRET_KEY="a test",
    ROOT_URLCONF=__name__,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    **json.loads(os.environ.get("DJANGO_SETTINGS", "{}")),
)


def index(request):
    if "user" in request.session:
        return HttpResponse(f"hello {request.session['user']}")
    return HttpResponseRedirect(request.build_absolute_uri("/login/"))


def login(request):
    if request.method == "GET":
        return HttpResponse(f'<form method="post"><input name="csrfmiddlewaretoken" value="{get_token(request)}"></form>')
    request.session["user"] = request.POST["user"]
    return HttpResponseRedirect(request.build_absolute_uri("/"))


urlpatterns = [path("", index), path("login/", login)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(["manage.py", "runserver", "--noreload", f"127.0.0.1:{sys.argv[1]}"])
