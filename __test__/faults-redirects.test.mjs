/** Redirections strike everything that users have open: the contract is in `faults/contract.mjs`. */

import { matrix } from "./faults/matrix.mjs";
import { redirects } from "./faults/redirects.mjs";

matrix("redirections", redirects);
