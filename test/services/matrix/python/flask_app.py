"""A page behind a login, with the session in a cookie and URLs that Flask builds whole."""

from flask import Flask, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "a test"


@app.get("/")
def index():
    return f"hello {session['user']}" if "user" in session else redirect(url_for("login", _external=True))


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return f'<form method="post" action="{url_for("login", _external=True)}"></form>'
    session["user"] = request.form["user"]
    return redirect(url_for("index", _external=True))


@app.get("/folder/")
def folder():
    return "folder"
