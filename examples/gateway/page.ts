/** The demo page at `/`, as `npm run pages` has built it, and the faults that it asks for. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FileSystem, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Schema } from "effect"
import { actions, Faults } from "./faults.js"

/** Where it is built. */
export const built = fileURLToPath(new URL("../web/dist", import.meta.url))

const notBuilt = HttpServerResponse.text("the page is not built: run `npm run pages`, and load this again\n", {
  status: 503
})

const notFound = HttpServerResponse.text("nothing is here\n", { status: 404 })

/** A HEAD takes no body: the platform would never read the file that it has opened for one, nor close it. */
const file = (path: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { method } = yield* HttpServerRequest.HttpServerRequest
    if (method !== "HEAD") return yield* HttpServerResponse.file(path, { headers })
    yield* (yield* FileSystem.FileSystem).access(path)
    return HttpServerResponse.empty({ status: 200, headers })
  })

/** It names its assets, whose names change with what is in them: so this is asked for each time, and they never again. */
const index = (folder: string) =>
  file(join(folder, "index.html"), { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" }).pipe(
    Effect.catchAll(() => Effect.succeed(notBuilt))
  )

const asset = (folder: string) =>
  Effect.gen(function* () {
    const { name = "" } = yield* HttpRouter.params
    // One name, and no way out of the folder, encoded or not.
    if (!/^[\w-]+(\.[\w-]+)+$/.test(name)) return notFound
    return yield* file(join(folder, "assets", name), { "cache-control": "public, max-age=31536000, immutable" })
  }).pipe(Effect.catchAll(() => Effect.succeed(notFound)))

const Params = Schema.Struct({ client: Schema.String, action: Schema.Literal(...actions) })

const fault = Effect.gen(function* () {
  const faults = yield* Faults
  const { action, client } = yield* HttpRouter.schemaPathParams(Params)
  return yield* HttpServerResponse.json(yield* faults.apply(client, action))
}).pipe(
  Effect.catchTags({
    UnknownClient: ({ message }) => Effect.succeed(HttpServerResponse.text(`${message}\n`, { status: 404 })),
    ParseError: () => Effect.succeed(HttpServerResponse.text(`one of ${actions.join(", ")}\n`, { status: 404 }))
  })
)

const standing = Effect.gen(function* () {
  const faults = yield* Faults
  const { client = "" } = yield* HttpRouter.params
  return yield* HttpServerResponse.json(yield* faults.standing(client), { headers: { "cache-control": "no-store" } })
})

export const routes = (folder: string) =>
  HttpRouter.empty.pipe(
    HttpRouter.get("/", index(folder)),
    HttpRouter.get("/assets/:name", asset(folder)),
    HttpRouter.get("/faults/:client", standing),
    HttpRouter.post("/faults/:client/:action", fault)
  )
