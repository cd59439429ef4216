import { relay } from "@/lib/relay";

export { relay as GET, relay as HEAD, relay as OPTIONS, relay as POST, relay as PUT };
