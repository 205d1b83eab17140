/**
 * The memberships that a broker holds: joined, renewed for as long as they are
 * not left here, and joined anew where Redis has lost them.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { monotonicNow } from "../../../connection/clocks.js"
import { Outage, serviceRetry } from "../../../connection/outage.js"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import type { Member, Position } from "../../../protocol/Protocol.js"
import { KeyedQueue } from "./keyedQueue.js"
import { topicKeys } from "./logLua.js"
import * as memberScripts from "./memberScripts.js"
import type { MembershipIndex } from "./membershipIndex.js"
import type { StreamLog } from "./streamLog.js"
import { jittered } from "./topicFollowers.js"

interface Held {
  readonly topic: string
  readonly presence: string
  readonly member: Member
  readonly generation: number
  /** When the index was told of it. */
  readonly notedAt: number
}

/** Memberships that are renewed by one script. */
const renewedAtOnce = 200

/** JSON text ends where it ends, so no two topics and sessions have one field. */
const fieldOf = (topic: string, session: string): string => `${prefixOf(topic)}${JSON.stringify(session)}`

const prefixOf = (topic: string): string => `${JSON.stringify(topic)} `

export class Memberships {
  /** By the topic in which they are told, and the field there. */
  private readonly held = new Map<string, Map<string, Held>>()
  /** Joins and leaves of a session, one after the other: of this broker's, the last that was asked for counts. */
  private readonly queue = new KeyedQueue()
  private readonly bySession = new Map<string, Set<Held>>()
  private readonly outage = new Outage()

  constructor(
    private readonly log: StreamLog,
    private readonly index: MembershipIndex,
    private readonly terms: {
      readonly instance: string
      /** Milliseconds that a membership lasts without being renewed. */
      readonly lease: number
    }
  ) {}

  private keys(presence: string): ReadonlyArray<string> {
    return topicKeys(this.log.connection.prefix, presence).all
  }

  // ---- operations

  join(
    topic: string,
    presence: string,
    member: Member,
    generation: number
  ): Effect.Effect<Position, BrokerUnavailable> {
    return this.queue.inTurn(member.session, this.joined(topic, presence, member, generation))
  }

  private joined(
    topic: string,
    presence: string,
    member: Member,
    generation: number
  ): Effect.Effect<Position, BrokerUnavailable> {
    return Effect.gen(this, function* () {
      const { instance, lease } = this.terms
      const notedAt = yield* monotonicNow
      yield* this.index.note(member.session, topic, presence)
      const text = JSON.stringify(member)
      const args = [fieldOf(topic, member.session), instance, lease, generation, text.length, text]
      const answer = yield* this.log.run(memberScripts.join, this.keys(presence), args)
      const [standing, epoch, offset] = answer as readonly [0 | 1 | 2, string, string] // what the script answers
      if (standing !== 2) {
        const known = this.find(topic, presence, member.session)
        if (known !== undefined) this.drop(known)
        if (standing === 1) this.hold({ topic, presence, member, generation, notedAt })
      }
      return { epoch, offset: Number(offset) }
    })
  }

  leave(session: string, topic: string | undefined, after: number): Effect.Effect<void, BrokerUnavailable> {
    return this.queue.inTurn(session, this.left(session, topic, Math.ceil(after)))
  }

  private left(session: string, topic: string | undefined, after: number): Effect.Effect<void, BrokerUnavailable> {
    return Effect.gen(this, function* () {
      const held = [...(this.bySession.get(session) ?? [])].filter((one) => topic === undefined || one.topic === topic)
      // At once: it is not renewed any more, whatever becomes of the rest.
      for (const one of held) this.drop(one)
      const entries = yield* this.index.entries(session, topic)
      const places = new Map([...held, ...entries].map((one) => [fieldOf(one.topic, one.presence), one]))
      yield* Effect.forEach(
        places.values(),
        (place) => {
          const args = [fieldOf(place.topic, session), this.terms.instance, after]
          return this.log.run(memberScripts.leave, this.keys(place.presence), args)
        },
        { concurrency: 16, discard: true }
      )
      if (after === 0) yield* this.index.forget(session, entries)
      else if (topic === undefined && entries.length > 0) yield* this.index.shorten(session, after + this.terms.lease)
    })
  }

  members(
    topic: string,
    presence: string
  ): Effect.Effect<{ readonly members: ReadonlyArray<Member>; readonly position: Position }, BrokerUnavailable> {
    return Effect.map(this.log.run(memberScripts.list, this.keys(presence), [prefixOf(topic)]), (answer) => {
      const [epoch, offset, texts] = answer as readonly [string, string, ReadonlyArray<string>] // what the script answers
      // Its own JSON.
      const members = texts.map((text): Member => JSON.parse(text))
      return { members, position: { epoch, offset: Number(offset) } }
    })
  }

  // ---- what is held

  private find(topic: string, presence: string, session: string): Held | undefined {
    return this.held.get(presence)?.get(fieldOf(topic, session))
  }

  private isHeld(one: Held): boolean {
    return this.find(one.topic, one.presence, one.member.session) === one
  }

  private hold(one: Held): void {
    const { session } = one.member
    const told = this.held.get(one.presence) ?? new Map<string, Held>()
    this.held.set(one.presence, told.set(fieldOf(one.topic, session), one))
    const own = this.bySession.get(session) ?? new Set<Held>()
    this.bySession.set(session, own.add(one))
  }

  private drop(one: Held): void {
    if (!this.isHeld(one)) return
    const { session } = one.member
    const told = this.held.get(one.presence)
    told?.delete(fieldOf(one.topic, session))
    if (told?.size === 0) this.held.delete(one.presence)
    const own = this.bySession.get(session)
    own?.delete(one)
    if (own?.size === 0) this.bySession.delete(session)
  }

  // ---- renewing

  /** Renews what is held, three times in a lease. */
  get renewing(): Effect.Effect<never> {
    return Effect.forever(Effect.zipRight(jittered(this.terms.lease / 3), this.renewed))
  }

  private get renewed(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const parts: Array<readonly [string, ReadonlyArray<readonly [string, Held]>]> = []
      for (const [presence, told] of this.held) {
        const all = [...told]
        for (let i = 0; i < all.length; i += renewedAtOnce) parts.push([presence, all.slice(i, i + renewedAtOnce)])
      }
      const patiently = Schedule.jittered(serviceRetry)
      // While Redis is away they wait for it, and are renewed as soon as it is back.
      const renew = ([presence, part]: (typeof parts)[number]) =>
        this.outage.retry(this.renewPart(presence, part), "BrokerUnavailable", patiently)
      return Effect.forEach(parts, renew, { concurrency: 20, discard: true })
    })
  }

  private renewPart(
    presence: string,
    part: ReadonlyArray<readonly [string, Held]>
  ): Effect.Effect<void, BrokerUnavailable> {
    const { instance, lease } = this.terms
    const args = [instance, lease, ...part.map(([field]) => field)]
    return Effect.flatMap(this.log.run(memberScripts.renew, this.keys(presence), args), (answer) => {
      const answers = String(answer)
      const lost: Array<Held> = []
      for (const [i, [, one]] of part.entries()) {
        if (answers[i] === "1") this.drop(one)
        else if (answers[i] === "2") lost.push(one)
      }
      return Effect.zipRight(
        Effect.forEach(lost, (one) => this.rejoin(one), { concurrency: 16, discard: true }),
        this.noteAgain(part.map(([, one]) => one))
      )
    })
  }

  /** Joins what Redis has lost, or has taken for over because it was not renewed in time. */
  private rejoin(one: Held): Effect.Effect<void, BrokerUnavailable> {
    const again = Effect.suspend(() =>
      this.isHeld(one) ? Effect.asVoid(this.joined(one.topic, one.presence, one.member, one.generation)) : Effect.void
    )
    return this.queue.inTurn(one.member.session, again)
  }

  /** Tells the index of those that it would forget. */
  private noteAgain(all: ReadonlyArray<Held>): Effect.Effect<void, BrokerUnavailable> {
    return Effect.flatMap(monotonicNow, (now) =>
      Effect.forEach(
        all.filter(({ notedAt }) => now - notedAt > this.index.ttl / 2),
        (one) => this.rejoin(one),
        { concurrency: 16, discard: true }
      )
    )
  }
}
