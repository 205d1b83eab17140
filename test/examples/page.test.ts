/** The demo page's routes, on the port and the path of its gateway. */
import { existsSync, readdirSync, readlinkSync } from "node:fs"
import * as http from "node:http"
import { HttpServer } from "@effect/platform"
import { FileSystem } from "@effect/platform/FileSystem"
import { NodeFileSystem, NodeHttpPlatform } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Client, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import * as Faults from "../../examples/gateway/faults.js"
import * as Page from "../../examples/gateway/page.js"

/** A gateway with the page of this folder; asks it for paths as they are written. */
const served = (folder: string) =>
  Effect.gen(function* () {
    const listener = Layer.provideMerge(Faults.layer, NodeListener.layerHttp({ port: 0 }))
    const context = yield* Layer.build(
      HttpServer.serve(Page.routes(folder)).pipe(
        Layer.provide([NodeHttpPlatform.layer, NodeFileSystem.layer]),
        Layer.provideMerge(Layer.mergeAll(listener, SessionStore.layerMemory(), NodeDialer.layer))
      )
    )
    const echo = { messages: Messages.json, authenticate: Gateway.anonymous, onMessage: () => Effect.void }
    const gateway = yield* Effect.provide(Gateway.make(echo), context)
    const { hostname, port } = new URL(gateway.address)
    const ask = (path: string, method = "GET") =>
      Effect.async<{ readonly status: number; readonly body: string; readonly headers: http.IncomingHttpHeaders }>(
        (resume) => {
          const sent = http.request({ hostname, port, path, method, agent: false }, (response) => {
            let body = ""
            response.on("data", (chunk) => {
              body += chunk
            })
            response.on("end", () =>
              resume(Effect.succeed({ status: response.statusCode ?? 0, body, headers: response.headers }))
            )
          })
          sent.on("error", (error) => resume(Effect.die(error)))
          sent.end()
        }
      )
    return { ask, gateway, context }
  })

const page = Effect.gen(function* () {
  const fs = yield* FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  yield* fs.makeDirectory(`${folder}/assets`)
  yield* fs.writeFileString(`${folder}/index.html`, "<h1>the page</h1>")
  yield* fs.writeFileString(`${folder}/secret.txt`, "secret")
  yield* fs.writeFileString(`${folder}/assets/main-B4_x-1.js`, "1")
  return folder
}).pipe(Effect.provide(NodeFileSystem.layer), Effect.orDie)

/** The files of a folder that this process has open. */
const openIn = (folder: string) =>
  Effect.sync(
    () =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
        } catch {
          return false // the one of the listing itself
        }
      }).length
  )

it.scopedLive.skipIf(!existsSync("/proc/self/fd"))("a HEAD of the page or an asset leaves no file open", () =>
  Effect.gen(function* () {
    const folder = yield* page
    const { ask } = yield* served(folder)
    for (const path of ["/", "/assets/main-B4_x-1.js"]) assert.strictEqual((yield* ask(path, "HEAD")).status, 200)
    assert.strictEqual((yield* ask("/assets/nothing.js", "HEAD")).status, 404)
    yield* Effect.sleep("100 millis")
    assert.strictEqual(yield* openIn(folder), 0)
  })
)

it.scopedLive("the page and its socket have one path; its assets are kept, and nothing beside them is given", () =>
  Effect.gen(function* () {
    const { ask, context, gateway } = yield* served(yield* page)
    const index = yield* ask("/?name=ann")
    assert.deepStrictEqual([index.status, index.body], [200, "<h1>the page</h1>"])
    assert.strictEqual(index.headers["content-type"], "text/html; charset=utf-8")
    assert.strictEqual(index.headers["cache-control"], "no-cache")

    const client = yield* Effect.provide(Client.make({ url: gateway.address, messages: Messages.json }), context)
    assert.strictEqual((yield* client.ready)._tag, "Ready")

    const asset = yield* ask("/assets/main-B4_x-1.js")
    assert.deepStrictEqual([asset.status, asset.body], [200, "1"])
    assert.match(asset.headers["content-type"] ?? "", /^(text|application)\/javascript/)
    assert.match(asset.headers["cache-control"] ?? "", /immutable/)

    for (const path of [
      "/assets/../secret.txt",
      "/assets/..%2fsecret.txt",
      "/assets/%2e%2e/secret.txt",
      "/assets/none.js",
      "/assets/"
    ]) {
      const { body, status } = yield* ask(path)
      assert.strictEqual(status, 404, path)
      assert.notInclude(body, "secret")
    }
  })
)

it.scopedLive("a page that was not built says in one line what to do", () =>
  Effect.gen(function* () {
    const { ask } = yield* served("/nowhere")
    const { body, status } = yield* ask("/")
    assert.strictEqual(status, 503)
    assert.match(body, /^.*npm run pages.*\n$/)
  })
)

it.scopedLive("faults are asked for by POST, of a client that is known and of a kind that there is", () =>
  Effect.gen(function* () {
    const { ask, context, gateway } = yield* served("/nowhere")
    const url = `${gateway.address}?client=abcdef0123`
    const client = yield* Effect.provide(Client.make({ url, messages: Messages.json }), context)
    yield* client.ready
    const statuses = yield* Effect.forEach(
      [
        ["GET", "/faults/abcdef0123/slow"],
        ["POST", "/faults/abcdef0123/explode"],
        ["POST", "/faults/stranger/slow"],
        ["POST", "/faults/abcdef0123/slow"]
      ] as const,
      ([method, path]) => Effect.map(ask(path, method), ({ status }) => status)
    )
    assert.deepStrictEqual(statuses, [404, 404, 404, 200])
    assert.deepStrictEqual(JSON.parse((yield* ask("/faults/abcdef0123")).body), { _tag: "Slow", delay: 1500 })
    yield* ask("/faults/abcdef0123/heal", "POST")
    assert.deepStrictEqual(JSON.parse((yield* ask("/faults/abcdef0123")).body), { _tag: "None" })
  })
)
