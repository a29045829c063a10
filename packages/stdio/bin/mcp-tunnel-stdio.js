#!/usr/bin/env node
// Apart from what is built, so that npm can link the command in a clone before the build.
import "../dist/command/main.js";
