/**
 * The session of a client: what it says of it in a hello, what a welcome makes
 * of it, and what the server says in it besides messages.
 */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Events } from "../connection/keep/subscribable.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec } from "../protocol/Codec.js"
import { MessageRefused, type TokenUnavailable } from "../protocol/ConnectionError.js"
import * as features from "../protocol/features.js"
import * as Protocol from "../protocol/Protocol.js"
import type { AckTimer } from "../session/ackTimer.js"
import type { Abandoned, Hooks } from "../session/driverOptions.js"
import type { Pacer } from "../session/pacer.js"
import { SessionDriver } from "../session/sessionDriver.js"
import type { ClientEvent, Start } from "./ClientStatus.js"
import { type Progress, ResumeState, stateOf } from "./resumeState.js"
import type { Keeper } from "./SessionKeeper.js"
import { Subscriptions } from "./subscriptions.js"
import { TokenRefresh } from "./tokenRefresh.js"

export interface ClientSessionOptions {
  readonly codec: Codec
  readonly options: Resolved
  readonly keeper: Keeper | undefined
  readonly ackTimer: AckTimer
  readonly pacing: Pacer
  /** Asks for a fresh token; undefined where there is none to ask for. */
  readonly token: Effect.Effect<string, TokenUnavailable> | undefined
  readonly events: Events<ClientEvent>
  readonly now: () => number
  /** The server is about to close. */
  readonly goingAway: (goaway: Protocol.Goaway) => void
}

/** A session that could not go on, and what became of its messages. */
type Lost = Omit<Extract<Start, { _tag: "Reset" }>, "_tag">

export class ClientSession {
  readonly driver: SessionDriver
  readonly topics: Subscriptions
  private readonly held: ResumeState
  private readonly refresh: TokenRefresh | undefined
  private readonly events: Events<ClientEvent>

  constructor(private readonly config: ClientSessionOptions) {
    const { ackTimer, codec, events, keeper, options, pacing, token } = config
    const { maxMessage, replayBytes, replayMessages } = options
    const bounds = { messages: replayMessages, bytes: replayBytes }
    this.events = events
    this.held = new ResumeState(keeper, () => this.progress)
    const append: NonNullable<Hooks["append"]> = (entries, done) => {
      this.held.add(entries)
      done(Exit.void)
    }
    const hooks: Hooks = {
      control: (message, live, size) => this.control(message, live, size),
      detached: () => this.topics.detached(),
      proved: () => {},
      drained: () => this.topics.drained(),
      released: () => this.held.released(this.driver.state.acked),
      withdrawn: (seq) => this.held.withdrawn(seq),
      ...(keeper === undefined ? {} : { append, recorded: (upTo) => this.held.note(upTo) })
    }
    const driving = {
      codec,
      limits: { maxMessage, ...bounds },
      largestBody: maxMessage,
      bounds,
      ackTimer,
      now: config.now,
      pacing,
      marksReplay: false
    }
    this.driver = new SessionDriver(driving, hooks, stateOf(this.held.found, replayMessages))
    this.driver.outbox.restore(this.held.found?.messages ?? [])
    const { closeTimeout, maxSubscriptions, queueBytes, queueMessages } = options
    this.topics = new Subscriptions({
      codec,
      bounds: { messages: queueMessages, bytes: queueBytes },
      maxInvitations: maxSubscriptions,
      limits: () => this.driver.flow.limits,
      pacing,
      chunks: {
        codec,
        write: (message) => this.driver.large.chunks.write(message),
        giveUp: (message) => this.driver.large.chunks.giveUp(message)
      },
      later: (run) => ackTimer.add({ sendAck: run }),
      now: config.now,
      patience: closeTimeout,
      subscribedBefore: this.held.found?.topics ?? [],
      changed: () => this.held.note(),
      invited: (topic) => events.publish({ _tag: "Invited", topic }),
      refused: ({ code, reason, topic }) =>
        events.publish({ _tag: "Refused", code, reason: `${topic}: ${reason}`, seq: undefined })
    })
    const failed = (error: TokenUnavailable) => events.publish({ _tag: "TokenUnavailable", error })
    const answer = (live: LiveConnection, token: string) => this.driver.writeUnpaced(live, { type: "token", token })
    this.refresh = token === undefined ? undefined : new TokenRefresh(answer, token, failed)
  }

  private get progress(): Progress {
    const { acked: acknowledged, recorded: processed } = this.driver.state
    return { acknowledged, processed, topics: this.topics.names }
  }

  // ---- hello and welcome

  hello(live: LiveConnection, token: string | undefined): Protocol.Hello {
    const { acked, partIn: bytes, received: seq, recorded } = this.driver.state
    const unfinished = this.driver.largeMessages?.chunks.unfinished
    const resume = this.held.ask(recorded, acked + 1, {
      received: { seq, bytes },
      ...(unfinished === undefined ? {} : { unfinished })
    })
    return {
      type: "hello",
      ...(token === undefined ? {} : { token }),
      ...(live.transport.ping === undefined ? { heartbeat: "message" as const } : {}),
      ...(resume === undefined ? {} : { resume }),
      features: Protocol.features,
      limits: { maxMessage: this.config.options.maxMessage }
    }
  }

  /**
   * Has the connection act for the session, and gives how that began; `undefined` where the connection had to end. Called in
   * the tick in which the welcome came: what follows it belongs to the session.
   */
  welcomed(live: LiveConnection, welcome: Protocol.Welcome, { resume }: Protocol.Hello): Start | undefined {
    const { generation, limits, processed, secret, session } = welcome
    if (welcome.resumed && !this.held.isOf(session)) {
      live.violate(CloseCode.ProtocolViolation, "welcome: resumed a session that was not asked for")
      return undefined
    }
    live.features = features.shared(welcome.features)
    this.driver.obey(limits, live)
    if (welcome.resumed && this.driver.outbox.holdsLarger(limits.maxMessage, processed)) {
      this.giveUp(live)
      return undefined
    }
    const start = this.startOf(welcome)
    // Before what was processed counts as delivered.
    for (const refusal of welcome.refused ?? []) this.refused(refusal)
    const told = start._tag === "Resumed" ? (resume?.processed ?? 0) : 0
    this.held.welcomed({ session, secret })
    // The acknowledgement shows the server that its new secret has arrived.
    const proof = () => {
      const ack = { type: "ack", ack: told } as const
      // Of a new session nothing has been taken at the server.
      if (welcome.resumed) this.driver.writeUnpaced(live, ack)
      else live.write(this.config.codec.encode(ack))
    }
    const peerReceived = live.features.has("parts") ? welcome.received : undefined
    const peer = { generation, peerProcessed: processed, peerReceived, peerOldest: 1, told }
    const peerHas = live.features.has("chunks") ? welcome.unfinished : undefined
    const refused = this.driver.attach(live, peer, peerHas, proof)
    if (refused !== undefined) {
      const received = peerReceived === undefined ? "" : `received ${peerReceived.seq}, `
      const reason = `welcome: processed ${processed}, ${received}generation ${generation} cannot be`
      live.violate(CloseCode.ProtocolViolation, reason)
      return undefined
    }
    this.topics.attached(live, welcome.resumed, welcome.keyWindow ?? 0)
    return start
  }

  private startOf(welcome: Protocol.Welcome): Start {
    if (welcome.resumed) return { _tag: "Resumed" }
    if (this.held.hasBegun) return { _tag: "Reset", ...this.startAfresh(welcome.reason ?? "unknown") }
    // Accepted before anybody knew what this server takes.
    if (this.driver.outbox.holdsLarger(this.driver.flow.maxMessage, 0)) this.abandon("the session begins")
    return { _tag: "Fresh" }
  }

  private startAfresh(reason: Protocol.ResetReason): Lost {
    const lost = { reason, ...this.abandon(`the session was lost: ${reason}`) }
    this.events.publish({ _tag: "SessionLost", ...lost })
    return lost
  }

  private abandon(why: string): Abandoned {
    this.held.forget()
    return this.driver.startAfresh(why, ({ message: reason }) =>
      this.events.publish({ _tag: "Refused", code: "too-large", reason, seq: undefined })
    )
  }

  /** The server takes less than it did, and would have to be sent more to go on: the next connection begins a new session. */
  private giveUp(live: LiveConnection): void {
    this.startAfresh("incomplete")
    live.write(this.config.codec.encode({ type: "bye" }))
    live.close(CloseCode.Normal, "a message of the session is larger than the server takes now")
  }

  // ---- what the server says besides messages

  control(message: Parameters<Hooks["control"]>[0], live: LiveConnection, size: number): void {
    switch (message.type) {
      case "replayed":
        return
      case "goaway":
        this.config.goingAway(message)
        this.events.publish({ _tag: "GoingAway", retryAfter: message.retryAfter, reason: message.reason })
        return
      case "error":
        if (message.id !== undefined) return this.topics.refused(message.id, message)
        return this.refused(message)
      case "subscribed":
      case "unsubscribed":
      case "publication":
      case "published":
      case "invite":
        return this.topics.receive(message, size, live)
      case "authenticate":
        return this.refresh?.asked(live)
      default:
        live.violate(CloseCode.ProtocolViolation, `${message.type} is not for a client`)
    }
  }

  private refused({ code, reason, seq }: Protocol.Refusal): void {
    if (seq !== undefined) this.driver.outbox.refused(seq, new MessageRefused({ code, reason }))
    this.events.publish({ _tag: "Refused", code, reason, seq })
  }

  /** The client has ended; where it does not forget the session, another client may go on with it. */
  end(reason: string, forgets: boolean): void {
    if (forgets) this.held.forget()
    this.driver.end(reason, !forgets && this.held.isKept)
    this.topics.end(reason)
  }
}
