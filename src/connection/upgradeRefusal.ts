/** A gateway's own refusal of an upgrade, told apart from a proxy's by a header (`PROTOCOL.md` §1). */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { Incoming } from "./Listener.js"

export const header = "Holdfast-Refusal"

/** Why, in a word. */
export type Code =
  | "address"
  | "application"
  | "connections"
  | "failed"
  | "handshake"
  | "not-found"
  | "not-ready"
  | "origin"
  | "restart"
  | "subprotocol"
  | "timeout"

export class Refused extends Data.Error<{
  readonly status: number
  readonly code: Code
  readonly body: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}> {}

export const refuse = (
  incoming: Incoming,
  { body, code, headers, status }: Pick<Refused, "status" | "code" | "body" | "headers">
): Effect.Effect<void> => incoming.refuse(status, body, { ...headers, [header]: code })
