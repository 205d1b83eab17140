/** The bench that the laws of a SessionStore start from. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { Attached, NewSession, SessionStore, StoredMessage, StoredSession } from "../../../session/SessionStore.js"
import type { Bench, Statement } from "../bench.js"
import { type Breach, breach, expectFailure, expectSame } from "../expect.js"

export type Service = Context.Tag.Service<SessionStore>

type Request = Parameters<Service["attach"]>[0]

/** The messages `from` to `to`. */
export const messages = (from: number, to: number, text = ""): ReadonlyArray<StoredMessage> =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    seq: from + i,
    payload: JSON.stringify(`${text}${from + i}`),
    confirm: false
  }))

export const banned = { _tag: "Ended", reason: "banned", final: true } as const

export class StoreBench {
  readonly one: Service
  readonly other: Service
  readonly ann: string
  readonly bob: string
  private attempts = 0

  constructor(readonly bench: Bench<Service>) {
    this.one = bench.one
    this.other = bench.other
    this.ann = bench.name("ann")
    this.bob = bench.name("bob")
  }

  id(name = "session"): string {
    return this.bench.name(name)
  }

  pass(units: number, millis?: number): Effect.Effect<void> {
    return this.bench.pass(units, millis)
  }

  /** So many units in milliseconds. */
  millis(units: number): number {
    return units * this.bench.unit
  }

  /** A session of ann's with the secret h1, which the first node makes. */
  create(change?: Partial<NewSession>): Effect.Effect<string, StoreUnavailable> {
    const session: NewSession = {
      id: this.id(),
      principal: this.ann,
      subprotocol: "holdfast.v1.json",
      secretHash: "h1",
      ...change
    }
    return Effect.as(this.one.create(session), session.id)
  }

  /** Asks the second node to attach it as ann, with h1, later than before. */
  attach(change?: Partial<Request>, node: Service = this.other): Effect.Effect<Attached, StoreUnavailable> {
    return Effect.suspend(() =>
      node.attach({
        id: this.id(),
        principal: this.ann,
        secretHash: "h1",
        nextSecretHash: "h2",
        attempt: ++this.attempts,
        ...change
      })
    )
  }

  /** The session, which can be attached. */
  attached(
    did: string,
    change?: Partial<Request>,
    node?: Service
  ): Effect.Effect<StoredSession, StoreUnavailable | Breach> {
    return Effect.flatMap(this.attach(change, node), (answer) =>
      answer._tag === "Attached" ? Effect.succeed(answer.session) : breach(did, "Attached", answer)
    )
  }

  /** That attaching it is answered with this. */
  expectAnswer(
    did: string,
    answer: Exclude<Attached, { _tag: "Attached" }>,
    change?: Partial<Request>
  ): Effect.Effect<void, StoreUnavailable | Breach> {
    return Effect.flatMap(this.attach(change), (actual) => expectSame(did, actual, answer))
  }

  /** That none of the operations of this generation is carried out. */
  expectFenced(did: string, node: Service, id: string, generation: number, gone: boolean): Effect.Effect<void, Breach> {
    const operations = {
      append: node.append(id, generation, messages(1, 1, "fenced ")),
      acknowledge: node.acknowledge(id, generation, { acked: 1, processed: 1_000_000 }),
      confirm: node.confirm(id, generation),
      detach: node.detach(id, generation, 0),
      remove: node.remove(id, generation),
      "remove with a tombstone": node.remove(id, generation, banned)
    }
    const fenced = { _tag: "Fenced", id, generation, gone }
    return Effect.forEach(
      Object.entries(operations),
      ([name, operation]) => expectFailure(`${name} of generation ${generation}, ${did}`, operation, fenced),
      { discard: true }
    )
  }
}

export const law = (
  name: string,
  body: (bench: StoreBench) => Effect.Effect<unknown, unknown, Scope.Scope>
): Statement<Service> => ({ name, body: (bench) => body(new StoreBench(bench)) })

/** A law that only a clock which stands still can tell. */
export const exactLaw = (
  name: string,
  body: (bench: StoreBench) => Effect.Effect<unknown, unknown, Scope.Scope>
): Statement<Service> => ({ ...law(`${name} (exact)`, body), isExact: true })
