/** Every fault strikes everything that users have open: the contract is in `faults/contract.mjs`. */

import { answers } from "./faults/answers.mjs";
import { matrix } from "./faults/matrix.mjs";
import { network } from "./faults/network.mjs";

matrix("faults of the network, and of servers, gateways and caches", [...network, ...answers]);
