/** The inspector's answers: JSON and files, never cached; refusals with one line that says what to do. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Data from "effect/Data"
import type { Failure } from "./model.js"

/** The reason for which a request gets nothing, as the HTTP status and a line in words. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly reason: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}> {
  override get message(): string {
    return this.reason
  }
}

/** Nothing but the page's own files runs or is shown, and nobody frames it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const headers = {
  "cache-control": "no-store",
  "content-security-policy": policy,
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

export const json = (value: unknown): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(value, { headers })

export const file = (contents: Uint8Array, contentType: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.uint8Array(contents, { headers, contentType })

export const redirect = (location: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({ status: 307, headers: { ...headers, location } })

/** In the form that the asker reads: JSON for the page's requests, a line of text for a person. */
export const refusal = (refused: Refused, asJson: boolean): HttpServerResponse.HttpServerResponse => {
  const options = { status: refused.status, headers: { ...headers, ...refused.headers } }
  const body: Failure = { error: refused.reason }
  return asJson ? HttpServerResponse.unsafeJson(body, options) : HttpServerResponse.text(`${refused.reason}\n`, options)
}
