/**
 * Session ids and resume secrets, as a service with a default.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import { type Operation, operation } from "./operation.js"

/**
 * An effect that gives a new text each time it is run; `immediate`, where it is offered, is the plain function that does the
 * same, as of a SessionStore's `Operation`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Draw extends Effect.Effect<string> {
  readonly immediate?: (() => string) | undefined
}

/**
 * An effect that gives a new text at once, from the plain function behind it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const draw = (immediate: () => string): Draw => Object.assign(Effect.sync(immediate), { immediate })

/**
 * Makes ids and secrets, and hashes them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** A new session id: unique, and safe in a URL. */
  readonly id: Draw
  /** A new resume secret that nobody can guess. */
  readonly secret: Draw
  /** A one-way hash of a secret, which is all that a store keeps. */
  readonly hash: Operation<[secret: string], string>
}

/** Bytes are drawn in batches: each call of the system's generator costs more than the bytes. */
const batch = 4096

/** Random bytes that are given away once. */
const random = (length: number): (() => string) => {
  const drawn = new Uint8Array(batch - (batch % length))
  let next = drawn.length
  return () => {
    if (next === drawn.length) {
      crypto.getRandomValues(drawn)
      next = 0
    }
    const bytes = drawn.subarray(next, next + length)
    next += length
    const text = Encoding.encodeBase64Url(bytes)
    // What was drawn for one secret is nobody's to read afterwards.
    bytes.fill(0)
    return text
  }
}

const encoder = new TextEncoder()

const digest: Service["hash"] = (secret) =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", encoder.encode(secret))),
    (digest) => Encoding.encodeBase64Url(new Uint8Array(digest))
  )

/** The part of Node's module `crypto` that is needed here. */
interface NodeCrypto {
  readonly createHash: (algorithm: "sha256") => {
    readonly update: (text: string) => { readonly digest: (encoding: "base64url") => string }
  }
}

/**
 * Node's own, where there is one (from 20.16 on without an import, which the core must not have): it answers at once,
 * for a tenth of what Web Crypto costs, which asks a thread.
 */
const nodeCrypto = (): NodeCrypto | undefined => {
  const host: unknown = Reflect.get(globalThis, "process")
  if (typeof host !== "object" || host === null || !("getBuiltinModule" in host)) return undefined
  const { getBuiltinModule } = host
  // Node's documented signature; `undefined` where the runtime has no such module.
  return typeof getBuiltinModule === "function"
    ? (getBuiltinModule("node:crypto") as NodeCrypto | undefined)
    : undefined
}

const hash = (node: NodeCrypto | undefined): Service["hash"] =>
  node === undefined
    ? digest
    : operation((secret) => Exit.succeed(node.createHash("sha256").update(secret).digest("base64url")))

/**
 * Web Crypto: 128-bit ids, 256-bit secrets, SHA-256. A secret is random, not a
 * password, so one round of a plain hash is enough. On Node the hash is its
 * own `crypto` module's, which is the same.
 *
 * @since 0.1.0
 * @category implementations
 */
export const webCrypto: Service = {
  id: draw(random(16)),
  secret: draw(random(32)),
  hash: hash(nodeCrypto())
}

/**
 * The source of session ids, secrets, and the keys of publications. Default `webCrypto`.
 *
 * @since 0.1.0
 * @category services
 */
export class Credentials extends Context.Reference<Credentials>()("holdfast/Credentials", {
  defaultValue: (): Service => webCrypto
}) {}
