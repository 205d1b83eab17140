/** Whom the example gateway's inspector lets in without a password. */
import { HttpServerRequest } from "@effect/platform"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { makeInspector } from "../../examples/gateway/inspector.js"
import { echoGateway, World } from "../support/virtual.js"

type Headers = Readonly<Record<string, string>>

const cases: ReadonlyArray<readonly [status: number, remoteAddress: string, headers: Headers]> = [
  [200, "127.0.0.1", {}],
  [200, "::1", { host: "[::1]:8080" }],
  [403, "192.0.2.1", {}],
  [403, "127.0.0.1", { host: "rebound.example:8080" }],
  [403, "127.0.0.1", { host: "localhost.example" }],
  [403, "127.0.0.1", { forwarded: "for=192.0.2.1" }],
  [403, "127.0.0.1", { via: "1.1 proxy" }],
  [403, "127.0.0.1", { "x-forwarded-for": "192.0.2.1" }],
  [403, "127.0.0.1", { "x-forwarded-host": "gateway.example" }],
  [403, "127.0.0.1", { "x-forwarded-proto": "https" }],
  [403, "127.0.0.1", { "x-real-ip": "192.0.2.1" }]
]

it.scoped(
  "without a password the inspector is for this machine, not for whom a proxy or a page of elsewhere asks",
  () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway()
      const inspector = yield* Effect.withConfigProvider(makeInspector(gateway), ConfigProvider.fromMap(new Map()))
      for (const [status, remoteAddress, headers] of cases) {
        const web = new Request("http://localhost:8080/inspector/api/overview", {
          headers: { host: "localhost:8080", ...headers }
        })
        const request = HttpServerRequest.fromWeb(web).modify({ remoteAddress })
        const answer = yield* Effect.provideService(inspector, HttpServerRequest.HttpServerRequest, request)
        assert.strictEqual(answer.status, status, JSON.stringify(headers))
      }
    }).pipe(Effect.provide(World))
)
