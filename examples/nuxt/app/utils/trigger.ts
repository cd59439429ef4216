import { connect } from "trigger-native/client";

/** The connection of all pages to the relay. It opens when the first of them follows something. */
export const trigger = connect({ url: "/api/trigger" });
