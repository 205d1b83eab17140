import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { HttpRouter, HttpServerResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Redacted } from "effect"
import { Gateway, SessionStore } from "holdfast"
import { Inspector, NodeListener } from "holdfast/node"
import type { Page, SessionRow } from "../../src/node/inspector/model.js"
import * as pageFiles from "../../src/node/inspector/pageFiles.js"
import { everyRequest } from "./inspectorSupport.js"
import { eventually, makeClient, numbers } from "./support.js"

class Numbers extends Gateway.Tag<Numbers>()("test/Numbers", numbers) {}

/** A gateway, an inspector and a route of the application on one port. */
const serving = (options?: Inspector.InspectorOptions) =>
  Effect.gen(function* () {
    const NumbersLive = Gateway.layer(Numbers, {
      authenticate: ({ token }) => Effect.succeed({ id: token ?? "anonymous" }),
      onMessage: () => Effect.void
    })
    const Health = HttpRouter.Default.use((routes) => routes.get("/healthz", HttpServerResponse.text("ok")))
    const Routes = HttpRouter.Default.serve().pipe(
      Layer.provide(Layer.merge(Health, Inspector.layer(Numbers, options))),
      Layer.provideMerge(NumbersLive),
      Layer.provide(Layer.merge(NodeListener.layerHttp({ port: 0, path: "/ws" }), SessionStore.layerMemory()))
    )
    const gateway = Context.get(yield* Layer.build(Routes), Numbers)
    const port = Number(new URL(gateway.address).port)
    const ask = (path: string, init?: RequestInit) =>
      Effect.promise(async () => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init })
        return { status: response.status, headers: response.headers, text: await response.text() }
      })
    return { gateway, port, ask }
  })

const password = "correct horse"
const known = { authorization: `Basic ${Buffer.from(`ops:${password}`).toString("base64")}` }

describe("an inspector on the gateway's port", () => {
  it.scopedLive("refuses every request by default, and leaves the application's routes alone", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      for (const [path, init] of everyRequest) assert.strictEqual((yield* ask(path, init)).status, 403, path)
      assert.strictEqual((yield* ask("/healthz")).text, "ok")
      assert.strictEqual((yield* ask("/inspectors")).status, 404)
    })
  )

  it.scopedLive("shows who is connected to those who have the password, and disconnects at their word", () =>
    Effect.gen(function* () {
      const { ask, gateway, port } = yield* serving(Inspector.basic(Redacted.make(password)))
      const client = yield* makeClient(port, { url: `ws://127.0.0.1:${port}/ws`, token: "ann" })
      const { session } = yield* client.ready
      assert.strictEqual((yield* ask("/inspector/api/sessions")).status, 401)
      const { headers, text } = yield* ask("/inspector/api/sessions?filter=ANN", { headers: known })
      assert.strictEqual(headers.get("cache-control"), "no-store")
      const page = JSON.parse(text) as Page<SessionRow>
      assert.deepStrictEqual(
        page.rows.map(({ id, principal }) => ({ id, principal })),
        [{ id: session, principal: "ann" }]
      )
      assert.match(page.rows[0]?.connection?.address ?? "", /^127\.0\.0\.1/)
      const order = (headers: Readonly<Record<string, string>>) =>
        ask("/inspector/api/disconnect", {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify({ session })
        })
      assert.strictEqual((yield* order({})).status, 401)
      assert.strictEqual((yield* order({ ...known, origin: "http://evil.test" })).status, 403)
      assert.strictEqual((yield* gateway.stats).sessions, 1)
      assert.strictEqual((yield* order({ ...known, origin: `http://127.0.0.1:${port}` })).text, '{"disconnected":1}')
      yield* eventually(
        "the client is told",
        Effect.map(client.status, ({ _tag }) => _tag === "Ended")
      )
    })
  )

  it.scopedLive("lets go of the application's check when who asks has left", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const letGo = yield* Deferred.make<void>()
      const never = Effect.onInterrupt(Effect.never, () => Deferred.succeed(letGo, undefined))
      const { port } = yield* serving({
        authenticate: () => Effect.zipRight(Deferred.succeed(begun, undefined), never)
      })
      const asking = new AbortController()
      fetch(`http://127.0.0.1:${port}/inspector/`, { signal: asking.signal }).catch(() => {})
      yield* Deferred.await(begun)
      asking.abort()
      yield* eventually("the check is interrupted", Deferred.isDone(letGo))
    })
  )

  it.scopedLive("takes no more than 16 KiB of an order", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving({ authenticate: () => Effect.void })
      const answer = yield* ask("/inspector/api/disconnect", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ session: "x".repeat(20_000) })
      })
      assert.strictEqual(answer.status, 413)
      assert.strictEqual((yield* ask("/inspector/api/overview")).status, 200)
    })
  )

  it.scopedLive("leads from its path to its page, which it finds under any prefix of a proxy", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving({ path: "/ops/inspector", authenticate: () => Effect.void })
      const { headers, status } = yield* ask("/ops/inspector?x=1")
      assert.deepStrictEqual([status, headers.get("location")], [307, "inspector/"])
      assert.notStrictEqual((yield* ask("/ops/inspector/")).status, 404)
    })
  )
})

describe("the inspector's page", () => {
  const directory = Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "inspector-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true }))
    ),
    (path) => ({ path, url: pathToFileURL(`${path}/`) })
  )

  it.scopedLive("is served with a policy that runs nothing but its own files", () =>
    Effect.gen(function* () {
      const { path, url } = yield* directory
      yield* Effect.promise(async () => {
        await mkdir(join(path, "assets"))
        await writeFile(join(path, "index.html"), "<!doctype html>")
        await writeFile(join(path, "assets", "index-a_B.js"), "1")
        await writeFile(join(path, "secret.js"), "2")
      })
      const { headers, status } = yield* pageFiles.index(url)
      assert.strictEqual(status, 200)
      assert.match(headers["content-security-policy"] ?? "", /^default-src 'none'; script-src 'self';/)
      assert.deepInclude(headers, {
        "cache-control": "no-store",
        "content-type": "text/html; charset=utf-8",
        "x-content-type-options": "nosniff"
      })
      const script = yield* pageFiles.asset(url, "index-a_B.js")
      assert.strictEqual(script.headers["content-type"], "text/javascript; charset=utf-8")
      for (const name of ["../secret.js", "..", ".", "", "index", "a/b.js", "%2e%2e%2fsecret.js", "nothing.js"]) {
        assert.strictEqual((yield* Effect.flip(pageFiles.asset(url, name))).status, 404, name)
      }
    })
  )

  it.scopedLive("says how to build it when it was not built", () =>
    Effect.gen(function* () {
      const { status, reason } = yield* Effect.flip(pageFiles.index((yield* directory).url))
      assert.strictEqual(status, 503)
      assert.include(reason, "npm run pages:inspector")
    })
  )
})
