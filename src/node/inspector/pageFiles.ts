/** The built page, as files of the package. Read when asked for: a build beside a running gateway is seen at once. */
import { readFile } from "node:fs/promises"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as reply from "./reply.js"

/**
 * Right both from src/node/inspector/ and from dist/node/inspector/. Found when asked for: a bundle in CommonJS has no
 * `import.meta.url`, and loads all the same; who bundles gives the page no place.
 */
export const built = (): URL | undefined => {
  const here: unknown = import.meta.url
  return typeof here === "string" ? new URL("../../../dist/inspector/", here) : undefined
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml"
}

const isMissing = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT"

type Answered = Effect.Effect<HttpServerResponse.HttpServerResponse, reply.Refused>

const read = (file: URL, whenMissing: reply.Refused): Answered =>
  Effect.matchEffect(Effect.tryPromise({ try: () => readFile(file), catch: isMissing }), {
    onSuccess: (contents) => {
      const type = types[file.pathname.slice(file.pathname.lastIndexOf(".") + 1)]
      return Effect.succeed(reply.file(contents, type ?? "application/octet-stream"))
    },
    onFailure: (missing) =>
      missing ? whenMissing : new reply.Refused({ status: 500, reason: "the inspector's page cannot be read" })
  })

const isBundled = new reply.Refused({
  status: 503,
  reason: "the inspector's page is not in this bundle: leave holdfast/node out of it, as a package of its own"
})

export const index = (directory: URL | undefined): Answered =>
  directory === undefined
    ? isBundled
    : read(
        new URL("index.html", directory),
        new reply.Refused({ status: 503, reason: 'the inspector\'s page was not built: run "npm run pages:inspector"' })
      )

/** One of its scripts or styles, by a name without any path. */
export const asset = (directory: URL | undefined, name: string): Answered => {
  if (directory === undefined) return isBundled
  const unknown = new reply.Refused({ status: 404, reason: "the inspector has no such file" })
  return /^[\w-]+(\.[\w-]+)+$/.test(name) ? read(new URL(`assets/${name}`, directory), unknown) : unknown
}
