import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { Broker, ConnectionError, type Gateway, type SessionStore } from "holdfast"
import { Inspector } from "holdfast/node"
import type {
  Overview,
  Page,
  SessionDetail,
  SessionRow,
  TopicHistory,
  TopicRow
} from "../../src/node/inspector/model.js"
import { join } from "../support/peer.js"
import { lobby, makeGateway, Room } from "../support/topics.js"
import { settle, World, withRandom } from "../support/virtual.js"
import { everyRequest, inspect } from "./inspectorSupport.js"

const Shared = Layer.merge(World, Layer.effect(Broker.Broker, Broker.makeMemory()))

const post = (body: string, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", host: "gateway.test", ...headers },
  body
})

const errorOf = (text: string): string => (JSON.parse(text) as { readonly error: string }).error

describe("who sees the inspector", () => {
  it.scoped("by default nobody, on any route, and is told which option lets somebody in", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join({ token: "ann" })
      const { ask } = yield* inspect(gateway, {})
      for (const [path, init] of everyRequest) {
        const { headers, status, text } = yield* ask(path, init)
        assert.strictEqual(status, 403, path)
        assert.include(text, "`authenticate`", path)
        assert.strictEqual(headers["cache-control"], "no-store", path)
      }
      assert.isUndefined(peer.closed())
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("with a password only who gives it, on every route; others are asked for it", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` })
      for (const [path, init] of everyRequest) {
        // Its own each time: one of them answers so many guesses of one address with 429.
        const { ask } = yield* inspect(gateway, Inspector.basic(Redacted.make("pass:wörd")))
        for (const headers of [{}, basic("ann:pass"), basic("pass:wörd"), { authorization: "Basic %" }]) {
          const answer = yield* ask(path, { ...init, headers: { ...init?.headers, ...headers } })
          assert.strictEqual(answer.status, 401, path)
          assert.match(answer.headers["www-authenticate"] ?? "", /^Basic realm="holdfast inspector"/)
        }
        const { status } = yield* ask(path, { ...init, headers: { ...init?.headers, ...basic("who:pass:wörd") } })
        assert.notInclude([401, 403], status, path)
      }
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("an empty password lets nobody in", () =>
    Effect.gen(function* () {
      const { ask } = yield* inspect(yield* makeGateway(), Inspector.basic(Redacted.make("")))
      const authorization = `Basic ${Buffer.from("ann:").toString("base64")}`
      assert.strictEqual((yield* ask("/inspector/", { headers: { authorization } })).status, 403)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("an application's refusals are answered 401 and 403 with their reason", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const refusing = (refusal: ConnectionError.NotAuthenticated | ConnectionError.NotAllowed) =>
        Effect.flatMap(inspect(gateway, { authenticate: () => refusal }), ({ ask }) => ask("/inspector/api/nodes"))
      const unknown = yield* refusing(new ConnectionError.NotAuthenticated({ reason: "who are you?" }))
      const known = yield* refusing(new ConnectionError.NotAllowed({ reason: "not you" }))
      assert.deepStrictEqual([unknown.status, known.status], [401, 403])
      assert.include(unknown.text, "who are you?")
      assert.include(known.text, "not you")
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("a path that cannot be mounted is refused with the rule", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      for (const path of ["/", "/inspector/", "/a//b", "/a?b"] as const) {
        const { message } = yield* Effect.flip(Inspector.make(gateway, { path }))
        assert.include(message, path)
      }
    }).pipe(Effect.provide(Shared))
  )
})

describe("disconnecting a session", () => {
  it.scoped("ends it, with the reason told to its client", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { json } = yield* inspect(gateway)
      const one = yield* join({ token: "ann" })
      const two = yield* join({ token: "bob" })
      const body = JSON.stringify({ session: one.welcome["session"], reason: "enough" })
      assert.deepStrictEqual(yield* json("disconnect", post(body)), { disconnected: 1 })
      yield* settle
      assert.deepStrictEqual(one.peer.closed(), { code: 4410, reason: "enough" })
      assert.isUndefined(two.peer.closed())
      assert.deepStrictEqual(yield* json("disconnect", post('{"principal":"bob"}')), { disconnected: 1 })
      assert.strictEqual(two.peer.closed()?.code, 4410)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("is done only for JSON of the inspector's own page, or of what is no browser", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { ask } = yield* inspect(gateway)
      const { peer } = yield* join({ token: "ann" })
      const body = '{"principal":"ann"}'
      const status = (headers: Readonly<Record<string, string>>) =>
        Effect.map(ask("/inspector/api/disconnect", post(body, headers)), ({ status }) => status)
      assert.strictEqual(yield* status({ "content-type": "text/plain" }), 415)
      assert.strictEqual(yield* status({ "content-type": "application/x-www-form-urlencoded" }), 415)
      assert.strictEqual(yield* status({ origin: "http://evil.test" }), 403)
      assert.strictEqual(yield* status({ origin: "null" }), 403)
      assert.strictEqual(yield* status({ "sec-fetch-site": "cross-site", origin: "http://gateway.test" }), 403)
      assert.strictEqual(yield* status({ "sec-fetch-site": "same-site" }), 403)
      assert.strictEqual((yield* ask("/inspector/api/disconnect")).status, 404)
      assert.isUndefined(peer.closed())
      const own = { "sec-fetch-site": "same-origin", origin: "http://gateway.test" }
      assert.strictEqual(yield* status({ ...own, "content-type": "application/json; charset=utf-8" }), 200)
      assert.strictEqual(peer.closed()?.code, 4410)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("what names no session, or both, is refused with the form to use", () =>
    Effect.gen(function* () {
      const { ask } = yield* inspect(yield* makeGateway())
      for (const body of ["", "{", "{}", '{"session":""}', '{"session":1}', '{"session":"a","principal":"b"}']) {
        const { status, text } = yield* ask("/inspector/api/disconnect", post(body))
        assert.strictEqual(status, 400, body)
        assert.include(errorOf(text), '{"session": "…"}')
      }
    }).pipe(Effect.provide(Shared))
  )
})

describe("what the inspector is asked", () => {
  it.scoped("is refused with the value and the remedy where it makes no sense", () =>
    Effect.gen(function* () {
      const { ask } = yield* inspect(yield* makeGateway())
      const wrong = {
        "sessions?sort=colour": "sort=colour: give one of id,",
        "sessions?order=up": "order=up: give one of asc, desc",
        "sessions?page=0": "page=0: give a whole number from 1",
        "sessions?size=201": "size=201: give a whole number from 1 to 200",
        "sessions?size=1e2": "size=1e2: give a whole number",
        "topics?sort=id": "sort=id: give one of name,",
        "history?topic=x&limit=51": "limit=51: give a whole number from 1 to 50",
        "overview?after=yesterday": "after=yesterday: give a whole number"
      }
      for (const [path, expected] of Object.entries(wrong)) {
        const { status, text } = yield* ask(`/inspector/api/${path}`)
        assert.strictEqual(status, 400, path)
        assert.include(errorOf(text), expected)
      }
      assert.strictEqual((yield* ask("/inspector/api/sessions/nobody")).status, 404)
      assert.strictEqual((yield* ask("/inspector/api/history?topic=nowhere")).status, 404)
      assert.strictEqual((yield* ask("/inspector/assets/..%2Findex.html")).status, 404)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("is answered 503, with the message, while the store or the broker fails", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join()
      yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name })
      const down = new Error("down")
      const failing: Gateway.Gateway<unknown> = {
        ...gateway,
        nodes: new ConnectionError.StoreUnavailable({ cause: down }),
        disconnect: () => new ConnectionError.StoreUnavailable({ cause: down }),
        history: () => new ConnectionError.BrokerUnavailable({ cause: down })
      }
      const { ask } = yield* inspect(failing)
      for (const [path, init] of [
        ["nodes"],
        ["topics"],
        ["history?topic=rooms/lobby"],
        ["disconnect", post('{"principal":"ann"}')]
      ] as const) {
        const { status, text } = yield* ask(`/inspector/api/${path}`, init)
        assert.strictEqual(status, 503, path)
        assert.include(errorOf(text), "down")
      }
      assert.strictEqual((yield* ask("/inspector/api/sessions")).status, 200)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("is answered 503 after ten seconds while the check, the store or the broker does not answer", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join()
      yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name })
      const hanging = { ...gateway, nodes: Effect.never, disconnect: () => Effect.never, history: () => Effect.never }
      const { asking } = yield* inspect(hanging)
      const unsure = yield* inspect(gateway, { authenticate: () => Effect.never })
      for (const request of [
        unsure.asking("/inspector/api/overview"),
        asking("/inspector/api/nodes"),
        asking("/inspector/api/topics"),
        asking("/inspector/api/history?topic=rooms/lobby"),
        asking("/inspector/api/disconnect", post('{"principal":"ann"}'))
      ]) {
        const answer = yield* Effect.fork(request)
        yield* settle
        yield* TestClock.adjust("9999 millis")
        assert.strictEqual((yield* Fiber.poll(answer))._tag, "None")
        yield* TestClock.adjust("1 millis")
        yield* settle
        const { status, text } = yield* Fiber.join(answer)
        assert.strictEqual(status, 503)
        assert.include(errorOf(text), "10 seconds")
      }
    }).pipe(Effect.provide(Shared))
  )
})

describe("the inspector shows", () => {
  it.scoped("a session: who, from where, since when, its topics, and where it is", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { json } = yield* inspect(gateway)
      yield* TestClock.adjust("1 second")
      const { peer, welcome } = yield* join({ token: "ann" })
      yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name })
      yield* TestClock.adjust("3 seconds")
      const { rows } = yield* json<Page<SessionRow>>("sessions")
      assert.lengthOf(rows, 1)
      const [row] = rows
      assert.deepInclude(row, { id: String(welcome["session"]), principal: "ann", node: gateway.node, since: 1000 })
      assert.deepInclude(row?.connection, {
        address: "memory:client",
        since: 1000,
        lastActivity: 1000,
        roundTrip: null,
        suspect: false
      })
      const detail = yield* json<SessionDetail>(`sessions/${String(welcome["session"])}`)
      assert.deepStrictEqual(detail, { ...detail, ...row, topics: [lobby.name] })
      yield* peer.leave
      const away = yield* json<Page<SessionRow>>("sessions")
      assert.strictEqual(away.rows[0]?.connection, null)
    }).pipe(withRandom(0.5), Effect.provide(Shared))
  )

  it.scoped("a sample for each second, with what happened in it, for five minutes", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { json } = yield* inspect(gateway)
      yield* TestClock.adjust("2500 millis")
      const { peer } = yield* join()
      yield* TestClock.adjust("600 millis")
      const first = yield* json<Overview>("overview")
      assert.strictEqual(first.stats.idleTimeout, null)
      assert.deepStrictEqual(
        first.samples.map(({ at, begun, connections, messagesIn }) => ({ at, begun, connections, messagesIn })),
        [
          { at: 1000, begun: 0, connections: 0, messagesIn: 0 },
          { at: 2000, begun: 0, connections: 0, messagesIn: 0 },
          { at: 3000, begun: 1, connections: 1, messagesIn: 1 }
        ]
      )
      assert.deepInclude(first, { now: 3100, node: gateway.node, address: gateway.address })
      yield* peer.say({ type: "bye" })
      yield* TestClock.adjust("1 second")
      const { samples } = yield* json<Overview>("overview?after=3000")
      assert.deepStrictEqual(
        samples.map(({ at, begun, ended, messagesIn, sessions }) => ({ at, begun, ended, messagesIn, sessions })),
        [{ at: 4000, begun: 0, ended: 1, messagesIn: 1, sessions: 0 }]
      )
      yield* TestClock.adjust("10 minutes")
      const later = yield* json<Overview>("overview")
      assert.lengthOf(later.samples, 300)
      assert.strictEqual(later.samples.at(-1)?.at, 604_000)
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("a topic's rate over the last ten seconds, its subscribers, what is kept of it, and the latest", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ history: { messages: 12 } })
      const { json } = yield* inspect(gateway)
      const { peer } = yield* join()
      yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name })
      yield* TestClock.adjust("1 second")
      const topic = Effect.map(json<Page<TopicRow>>("topics"), ({ rows }) => rows[0])
      for (let second = 0; second < 20; second++) {
        yield* gateway.publish(lobby, second * 2)
        yield* gateway.publish(lobby, second * 2 + 1)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(yield* topic, { name: lobby.name, subscribers: 1, rate: 2, offset: 40, kept: 12 })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* topic)?.rate, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* topic)?.rate, 0)
      const { kept, publications } = yield* json<TopicHistory>(`history?topic=${lobby.name}&limit=3`)
      assert.strictEqual(kept, 12)
      assert.deepStrictEqual(
        publications.map(({ offset, text }) => [offset, text]),
        [
          [40, "39"],
          [39, "38"],
          [38, "37"]
        ]
      )
      const all = yield* json<TopicHistory>(`history?topic=${lobby.name}&limit=50`)
      assert.lengthOf(all.publications, 12)
      const empty = yield* json<TopicHistory>(`history?topic=${Room.at({ room: "empty" }).name}`)
      assert.deepStrictEqual(empty, { topic: "rooms/empty", kept: 0, publications: [] })
    }).pipe(Effect.provide(Shared))
  )

  it.scoped("the gateways on the store", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { json } = yield* inspect(gateway)
      const { nodes } = yield* json<{ readonly nodes: ReadonlyArray<SessionStore.NodeInfo> }>("nodes")
      assert.deepStrictEqual(nodes, yield* gateway.nodes)
      assert.lengthOf(nodes, 1)
    }).pipe(Effect.provide(Shared))
  )
})
