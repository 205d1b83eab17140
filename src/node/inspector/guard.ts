/** Admits those who may see the inspector, and the pages from which it may be told to act. */
import { createHash, timingSafeEqual } from "node:crypto"
import { IncomingMessage } from "node:http"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { NotAllowed, NotAuthenticated } from "../../protocol/ConnectionError.js"
import { clientAddressOf } from "../internal/upgradeRequest.js"
import { Refused } from "./reply.js"
import type { WrongPasswords } from "./wrongPasswords.js"

export type Authenticate<R> = (
  request: HttpServerRequest.HttpServerRequest
) => Effect.Effect<void, NotAuthenticated | NotAllowed, R>

export const refuseEverybody: Authenticate<never> = () =>
  new NotAllowed({
    reason: "the inspector lets nobody in: give it the option `authenticate`, for instance Inspector.basic(password)"
  })

/** Runs the application's check; a 401 says what to present, if that is known. Who has presented too much that is wrong gets 429. */
export const guarded = <R>(
  authenticate: Authenticate<R>,
  challenge: string | undefined,
  wrong: WrongPasswords,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<void, Refused, R> => {
  const checked = Effect.catchTags(
    Effect.suspend(() => authenticate(request)),
    {
      NotAuthenticated: ({ message }) =>
        new Refused({
          status: 401,
          reason: message,
          headers: challenge === undefined ? undefined : { "www-authenticate": challenge }
        }),
      NotAllowed: ({ message }) => new Refused({ status: 403, reason: message })
    }
  )
  // Who presents nothing guesses nothing.
  if (request.headers["authorization"] === undefined) return checked
  const address = askerOf(request)
  const counted = Effect.tapError(checked, ({ status }) => (status === 401 ? wrong.add(address) : Effect.void))
  return Effect.flatMap(wrong.refusedFor(address), (millis) => (millis > 0 ? tooManyGuesses(millis) : counted))
}

const tooManyGuesses = (millis: number): Refused => {
  const seconds = Math.ceil(millis / 1000)
  return new Refused({
    status: 429,
    reason: `too many wrong passwords came from this address: try again in ${seconds} s`,
    headers: { "retry-after": String(seconds) }
  })
}

/** The address of who asks, as far as the listener's `trustedProxies` tell. */
const askerOf = ({ remoteAddress, source }: HttpServerRequest.HttpServerRequest): string =>
  source instanceof IncomingMessage ? clientAddressOf(source) : Option.getOrElse(remoteAddress, () => "")

export const basicChallenge = 'Basic realm="holdfast inspector", charset="UTF-8"'

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** The password of HTTP's Basic authentication; the user name may be any. */
const passwordOf = (request: HttpServerRequest.HttpServerRequest): string | undefined => {
  const [, encoded] = /^basic +(\S+) *$/i.exec(request.headers["authorization"] ?? "") ?? []
  const decoded = encoded === undefined ? Option.none() : Option.getRight(Encoding.decodeBase64String(encoded))
  const credentials = Option.getOrUndefined(decoded)
  const colon = credentials?.indexOf(":") ?? -1
  return colon < 0 ? undefined : credentials?.slice(colon + 1)
}

/** Digests are of one length, and comparing them takes the same time whatever they are. */
export const basic = (password: Redacted.Redacted): Authenticate<never> => {
  const expected = digest(Redacted.value(password))
  return (request) => {
    if (Redacted.value(password) === "") return new NotAllowed({ reason: "the inspector's password is empty" })
    const given = passwordOf(request)
    if (given === undefined) return new NotAuthenticated({ reason: "the inspector asks for its password" })
    return timingSafeEqual(digest(given), expected)
      ? Effect.void
      : new NotAuthenticated({ reason: "this is not the inspector's password" })
  }
}

/**
 * Only JSON, which a page of another origin cannot send without being allowed to, and only from the inspector's own page;
 * what is no browser says neither `Origin` nor `Sec-Fetch-Site`.
 */
export const sameOriginJson = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, Refused> => {
  const { headers } = request
  const contentType = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase()
  if (contentType !== "application/json") {
    return new Refused({ status: 415, reason: "send this as JSON, with content-type: application/json" })
  }
  const site = headers["sec-fetch-site"]
  const { host, origin } = headers
  const isForeign = (site !== undefined && site !== "same-origin") || (origin !== undefined && hostOf(origin) !== host)
  return isForeign
    ? new Refused({
        status: 403,
        reason: "the inspector takes orders from its own page alone, not from another origin"
      })
    : Effect.void
}

/** Undefined for what is no URL, `null` included. */
const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)
