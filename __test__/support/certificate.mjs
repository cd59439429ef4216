/** A self-signed certificate for 127.0.0.1 and localhost, made anew for each test: none is kept, none expires. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** @param {number} tag @param {Buffer[]} parts */
function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const identifier = (hex) => der(0x06, Buffer.from(hex, "hex"));
const text = (value) => der(0x0c, Buffer.from(value));
const time = (date) => der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));
const bits = (bytes) => der(0x03, Buffer.from([0]), bytes);
const extension = (hex, value) => sequence(identifier(hex), der(0x04, value));

const ECDSA_WITH_SHA256 = sequence(identifier("2a8648ce3d040302"));
const COMMON_NAME = "550403";
const SUBJECT_ALT_NAME = "551d11";
const DAY_MS = 86_400_000;

/**
 * @param {{ name?: string, from?: number, to?: number }} [options] another host's name; when it begins and ends to be
 *   valid, in days from now
 * @returns {{ cert: string, key: string }} both as PEM
 */
export function selfSigned({ name: host, from = -1, to = 1 } = {}) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(der(0x31, sequence(identifier(COMMON_NAME), text("localhost"))));
  const own = [der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1]))];
  const names = sequence(...(host ? [der(0x82, Buffer.from(host))] : own));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(new Date(Date.now() + from * DAY_MS)), time(new Date(Date.now() + to * DAY_MS))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extension(SUBJECT_ALT_NAME, names))),
  );
  const whole = sequence(content, ECDSA_WITH_SHA256, bits(sign("sha256", content, privateKey)));
  const lines = whole.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
