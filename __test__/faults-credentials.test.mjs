/** Credentials that stop being good strike everything that users have open: the contract is in `faults/contract.mjs`. */

import { credentials } from "./faults/credentials.mjs";
import { matrix } from "./faults/matrix.mjs";

matrix("credentials that stop being good", credentials);
