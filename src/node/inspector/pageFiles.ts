/** The built page, as files of the package. Read when asked for: a build beside a running gateway is seen at once. */
import { readFile } from "node:fs/promises"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as reply from "./reply.js"

/** Right both from src/node/inspector/ and from dist/node/inspector/. */
const built = new URL("../../../dist/inspector/", import.meta.url)

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml"
}

const isMissing = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT"

const read = (name: string) => Effect.tryPromise({ try: () => readFile(new URL(name, built)), catch: isMissing })

const answered = (name: string, whenMissing: reply.Refused) =>
  Effect.matchEffect(read(name), {
    onSuccess: (contents) =>
      Effect.succeed(reply.file(contents, types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream")),
    onFailure: (missing) =>
      missing ? whenMissing : new reply.Refused({ status: 500, reason: `the inspector's page cannot be read: ${name}` })
  })

export const index: Effect.Effect<HttpServerResponse.HttpServerResponse, reply.Refused> = answered(
  "index.html",
  new reply.Refused({
    status: 503,
    reason: `the inspector's page was not built: run "npm run pages:inspector" (it goes to ${built.pathname})`
  })
)

/** One of its scripts or styles, by a name without any path. */
export const asset = (name: string): Effect.Effect<HttpServerResponse.HttpServerResponse, reply.Refused> => {
  const unknown = new reply.Refused({ status: 404, reason: "the inspector has no such file" })
  return /^[\w-]+(\.[\w-]+)+$/.test(name) ? answered(`assets/${name}`, unknown) : unknown
}
