import { describeMatrix } from "./matrix.js";
import { nodeSoftware } from "./software/all.js";

describeMatrix(nodeSoftware);
