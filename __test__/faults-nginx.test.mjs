/** Every fault of a reverse proxy strikes everything that users have open: the contract is in `faults/contract.mjs`. */

import { it } from "node:test";
import { findNginx, nginxAdvice } from "../scripts/lib/nginx.mjs";
import { matrix } from "./faults/matrix.mjs";
import { nginx } from "./faults/nginx.mjs";

if (findNginx()) {
  matrix("faults of a reverse proxy", nginx);
} else if (process.env.CI) {
  it("nginx is installed", () => {
    throw new Error(nginxAdvice);
  });
} else {
  it("every fault of a reverse proxy", { skip: nginxAdvice }, () => {});
}
