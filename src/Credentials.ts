/**
 * Session ids and resume secrets, as a service with a default.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** A new session id: unique, and safe in a URL. */
  readonly id: Effect.Effect<string>
  /** A new resume secret that nobody can guess. */
  readonly secret: Effect.Effect<string>
  /** A one-way hash of a secret, which is all that a store keeps. */
  readonly hash: (secret: string) => Effect.Effect<string>
}

const random = (bytes: number): Effect.Effect<string> =>
  Effect.sync(() => Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(bytes))))

const encoder = new TextEncoder()

/**
 * Web Crypto: 128-bit ids, 256-bit secrets, SHA-256. A secret is random, not a
 * password, so one round of a plain hash is enough.
 *
 * @since 0.1.0
 * @category implementations
 */
export const webCrypto: Service = {
  id: random(16),
  secret: random(32),
  hash: (secret) =>
    Effect.map(
      Effect.promise(() => crypto.subtle.digest("SHA-256", encoder.encode(secret))),
      (digest) => Encoding.encodeBase64Url(new Uint8Array(digest))
    )
}

/**
 * @since 0.1.0
 * @category services
 */
export class Credentials extends Context.Reference<Credentials>()("holdfast/Credentials", {
  defaultValue: (): Service => webCrypto
}) {}
