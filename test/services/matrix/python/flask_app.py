"""A page behind a login, with the session in a cookie and URLs that Flask builds whole.

With PROXY_FIX in the environment it believes the X-Forwarded fields, as Flask's documentation shows for use
behind a proxy.
"""

import os

from flask import Flask, redirect, request, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = "a test"
if "PROXY_FIX" in os.environ:
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)


@app.get("/")
def index():
    return f"hello {session['user']}" if "user" in session else redirect(url_for("login", _external=True))


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return f'<form method="post" action="{url_for("login", _external=True)}"></form>'
    session["user"] = request.form["user"]
    return redirect(url_for("index", _external=True))


@app.get("/theme")
def theme():
    if "theme" in request.cookies:
        return request.cookies["theme"]
    answer = redirect("/theme")
    answer.set_cookie("theme", "dark", domain="localhost")
    return answer


@app.get("/folder/")
def folder():
    return "folder"
