import { describeMatrix } from "./matrix.js";
import { webdavSoftware } from "./software/all.js";

describeMatrix(webdavSoftware);
