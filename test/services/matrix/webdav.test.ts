import { describeMatrix } from "./matrix.js";
import { apacheWebdav, nginxWebdav } from "./software/webdav.js";

describeMatrix([nginxWebdav, apacheWebdav]);
