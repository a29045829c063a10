import { describeMatrix } from "./matrix.js";
import { flask } from "./software/flask.js";

describeMatrix([flask]);
