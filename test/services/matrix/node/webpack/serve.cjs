// Starts webpack's development server on the given port, as `webpack serve` does. If a URL is given too, the
// server's pages look there for its WebSocket.
const webpack = require("webpack");
const WebpackDevServer = require("webpack-dev-server");

const [port, webSocketURL] = process.argv.slice(2);
const client = { logging: "none", ...(webSocketURL === undefined ? {} : { webSocketURL }) };
const compiler = webpack({ mode: "development", context: __dirname, entry: "./src/main.js" });
void new WebpackDevServer({ host: "localhost", port: Number(port), client }, compiler).start();
