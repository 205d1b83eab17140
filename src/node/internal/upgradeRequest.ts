/** An upgrade request: what it says of itself, and if it is one at all. */
import type * as Http from "node:http"
import type { UpgradeRequest } from "../../connection/Listener.js"
import { type Client, canonical, clientOf, type Trusted } from "./clientAddress.js"

const protocolsOf = (request: Http.IncomingMessage): ReadonlyArray<string> =>
  (request.headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")

const askerOf = (request: Http.IncomingMessage, trusted: Trusted): Client => {
  const { remoteAddress = "", remotePort } = request.socket
  const peer: Client = { address: canonical(remoteAddress) ?? remoteAddress, port: remotePort }
  const forwardedFor = request.headers["x-forwarded-for"]
  // Node joins what is given more than once; only its type says otherwise.
  return clientOf(peer, forwardedFor?.toString(), trusted)
}

/** Whom the listener that a plain request came to believes. */
const believed = new WeakMap<Http.IncomingMessage, Trusted>()

export const believe = (request: Http.IncomingMessage, trusted: Trusted): void => void believed.set(request, trusted)

/** The address that a plain request comes from; of another server's than the listener's, its peer's. */
export const clientAddressOf = (request: Http.IncomingMessage): string =>
  askerOf(request, believed.get(request) ?? (() => false)).address

export const requestOf = (request: Http.IncomingMessage, trusted: Trusted): UpgradeRequest => {
  const client = askerOf(request, trusted)
  return {
    url: request.url ?? "/",
    headers: request.headers,
    address: client.address,
    remoteAddress: client.port === undefined ? client.address : `${client.address}:${client.port}`,
    protocols: protocolsOf(request)
  }
}

/** The flaw that makes an upgrade request none, in words, or undefined (RFC 6455 §4.2.1). */
export const flaw = (request: Http.IncomingMessage): readonly [number, string, Record<string, string>?] | undefined => {
  if (request.method !== "GET") return [405, `a WebSocket opens with GET, not ${request.method}`, { Allow: "GET" }]
  if (request.headers.upgrade?.toLowerCase() !== "websocket") {
    return [426, "this is a WebSocket endpoint: send Upgrade: websocket", { Upgrade: "websocket" }]
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(request.headers["sec-websocket-key"] ?? "")) {
    return [400, "Sec-WebSocket-Key must be 16 bytes in base64"]
  }
  if (request.headers["sec-websocket-version"] !== "13") {
    return [426, "this server speaks WebSocket version 13", { "Sec-WebSocket-Version": "13" }]
  }
  return undefined
}
