import { describeMatrix } from "./matrix.js";
import { pythonSoftware } from "./software/all.js";

describeMatrix(pythonSoftware);
