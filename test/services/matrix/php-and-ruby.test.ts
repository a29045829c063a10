import { describeMatrix } from "./matrix.js";
import { phpAndRubySoftware } from "./software/all.js";

describeMatrix(phpAndRubySoftware);
