/**
 * The largest message that `ws` takes, changed while the WebSocket is open: a stranger's hello is much smaller than what may
 * follow it. `ws` has an option for all WebSockets of a server alone, and keeps it where it judges each frame's header.
 */
import type { WebSocket } from "ws"

/** The place in which `ws` has a WebSocket's reader, and in which that has the limit. */
const receiver = "_receiver"
const limit = "_maxPayload"

/** Tells whether it could: without it the option's limit holds. */
export const limitReceiver = (ws: WebSocket, maxPayload: number): boolean => {
  const found: unknown = Reflect.get(ws, receiver)
  if (typeof found !== "object" || found === null || typeof Reflect.get(found, limit) !== "number") return false
  return Reflect.set(found, limit, maxPayload)
}
