<?php
// A log-in as PHP applications have it: they make their own URLs, and their cookies' domain, of the Host.
[$host] = explode(':', $_SERVER['HTTP_HOST']);
session_set_cookie_params(['domain' => $host, 'httponly' => true, 'samesite' => 'Lax']);
session_start();
$own = "http://{$_SERVER['HTTP_HOST']}";

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/':
        echo '<form method="post" action="/login"><input name="user"></form>';
        break;
    case '/login':
        if (($_SERVER['HTTP_ORIGIN'] ?? $own) !== $own) {
            http_response_code(403);
            break;
        }
        $_SESSION['user'] = $_POST['user'];
        header("Location: $own/welcome", true, 303);
        break;
    case '/welcome':
        echo "hello {$_SESSION['user']}";
        break;
    case '/refresh':
        header("Refresh: 0; url=$own/");
        header("Content-Location: $own/refresh.en");
        break;
    default:
        http_response_code(404);
}
