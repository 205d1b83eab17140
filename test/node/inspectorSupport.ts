/** Asks an inspector without a socket, under TestClock. */
import { HttpServerRequest } from "@effect/platform"
import { Effect, Fiber } from "effect"
import type { Gateway } from "holdfast"
import { Inspector } from "holdfast/node"
import { settle } from "../support/virtual.js"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/** An inspector that lets everybody in, unless the options say otherwise; and how to ask it. */
export const inspect = <S>(
  gateway: Gateway.Gateway<S>,
  options: Inspector.InspectorOptions = { authenticate: () => Effect.void }
) =>
  Effect.map(Inspector.make(gateway, options), (router) => {
    /** Answered when it is: for those tests that let time pass meanwhile. */
    const asking = (path: string, init?: RequestInit): Effect.Effect<Answer> =>
      Effect.suspend(() => {
        const request = HttpServerRequest.fromWeb(new Request(`http://gateway.test${path}`, init))
        return Effect.orDie(Effect.provideService(router, HttpServerRequest.HttpServerRequest, request))
      }).pipe(
        Effect.map(({ body, headers, status }) => {
          const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
          return { status, headers, text }
        })
      )
    const ask = (path: string, init?: RequestInit): Effect.Effect<Answer> =>
      Effect.gen(function* () {
        const answer = yield* Effect.fork(asking(path, init))
        while ((yield* Fiber.poll(answer))._tag === "None") yield* settle
        return yield* Fiber.join(answer)
      })
    const json = <A>(path: string, init?: RequestInit): Effect.Effect<A> =>
      Effect.map(ask(`/inspector/api/${path}`, init), ({ status, text }) => {
        if (status !== 200) throw new Error(`${status}: ${text}`)
        return JSON.parse(text) as A
      })
    return { ask, asking, json }
  })

/** Every kind of request that an inspector answers. */
export const everyRequest: ReadonlyArray<readonly [path: string, init?: RequestInit]> = [
  ["/inspector"],
  ["/inspector/"],
  ["/inspector/", { method: "HEAD" }],
  ["/inspector/assets/index.js"],
  ["/inspector/api/overview"],
  ["/inspector/api/sessions"],
  ["/inspector/api/sessions/one"],
  ["/inspector/api/topics"],
  ["/inspector/api/history?topic=rooms/lobby"],
  ["/inspector/api/nodes"],
  ["/inspector/nowhere"],
  [
    "/inspector/api/disconnect",
    { method: "POST", headers: { "content-type": "application/json" }, body: '{"principal":"ann"}' }
  ]
]
