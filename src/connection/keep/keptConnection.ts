/** A connection to any WebSocket server that is made anew whenever it ends. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CloseCode, resume, type Verdict } from "../../protocol/CloseCode.js"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import {
  type AttemptError,
  type ConnectionEnd,
  ConnectionLost,
  InvalidOption,
  type MessageInvalid,
  MessageTooLarge,
  NotKept,
  OnConnectFailed
} from "../../protocol/ConnectionError.js"
import type { InvalidDecision } from "../../protocol/Messages.js"
import { made } from "../bounded.js"
import { monotonic } from "../clocks.js"
import { Dialer } from "../Dialer.js"
import * as detachedEffect from "../detachedEffect.js"
import * as Heartbeat from "../heartbeat.js"
import { statsOf } from "../live/stats.js"
import * as liveConnection from "../liveConnection.js"
import * as Options from "../Options.js"
import { millisOf } from "../options/optionRules.js"
import * as Reconnect from "../Reconnect.js"
import { ReceiveQueue } from "../receiveQueue.js"
import * as dialing from "./dialing.js"
import { DialTerms } from "./dialing.js"
import * as framings from "./framing.js"
import { Inbound } from "./inbound.js"
import type { Framing, KeepOptions, Kept, KeptReady, Opening, Received, Timing } from "./kept.js"
import * as reconnectLoop from "./reconnectLoop.js"
import { Sender } from "./sender.js"
import { describeEnd } from "./status.js"

type Live = liveConnection.LiveConnection

const framingOf = <Out, In>(
  options: Pick<KeepOptions<Out, In>, "framing" | "messages">
): Effect.Effect<Framing<Out, In>, InvalidOption> => {
  const { framing, messages } = options
  if (framing !== undefined && messages !== undefined) {
    const rule = "none beside `messages`, which says how messages are framed"
    return new InvalidOption({ option: "framing", value: "given", rule })
  }
  // Where nothing is said of messages, they are frames.
  const asTheyAre = framings.frames as Framing<unknown, unknown> as Framing<Out, In>
  return Effect.succeed(framing ?? (messages === undefined ? asTheyAre : framings.json(messages)))
}

/** What a server's own close code means only the application knows. */
const verdictBy =
  (own: KeepOptions<unknown, unknown>["verdict"]) =>
  (end: AttemptError, proposed: Verdict): Verdict => {
    const known = end._tag === "ClosedByPeer" && end.code >= 4000 ? resume("Lost") : proposed
    return own?.(end, known) ?? known
  }

/** The options with the times that one connection has for itself. */
const withTiming = (options: Options.OfReconnecting, resolved: Options.Resolved, timing: Timing) =>
  Effect.gen(function* () {
    const { heartbeatInterval: given, readDeadline } = timing
    if (given === undefined) return yield* Options.resolve({ ...options, ...timing })
    const heartbeatInterval = yield* millisOf("heartbeatInterval", given)
    const least = Math.max(resolved.readDeadline, 2 * heartbeatInterval)
    return yield* Options.resolve({ ...options, heartbeatInterval, readDeadline: readDeadline ?? least })
  })

/**
 * Keeps a connection to a server: makes a new one whenever it ends, until the scope closes, `close` is called, or the server's
 * answer is final. Never fails for want of a connection: `status` and `ready` tell of it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const keep = <
  Out = Frame,
  In = Frame,
  RUrl = never,
  RHeaders = never,
  RConnect = never,
  RPing = never,
  RReconnect = never,
  RInvalid = never
>(
  options: KeepOptions<Out, In, RUrl, RHeaders, RConnect, RPing, RReconnect, RInvalid>
): Effect.Effect<
  Kept<Out, In>,
  InvalidOption,
  Scope.Scope | Dialer | RUrl | RHeaders | RConnect | RPing | RReconnect | RInvalid
> =>
  Effect.gen(function* () {
    const resolved = yield* Options.resolve(options)
    const context = yield* Effect.context<RUrl | RHeaders | RConnect | RPing | RReconnect | RInvalid>()
    const dialer = yield* Dialer
    const clock = yield* Effect.clock
    const framing = yield* framingOf(options)
    const encode = (message: Out): Either.Either<Frame, MessageInvalid | MessageTooLarge> =>
      Either.flatMap(framing.encode(message), (frame) => {
        const [size, limit] = [byteLength(frame), resolved.maxMessage]
        return size > limit ? Either.left(new MessageTooLarge({ size, limit })) : Either.right(frame)
      })
    const { heartbeat = {}, onConnect, onInvalid = () => Effect.succeed<InvalidDecision>("Continue") } = options
    const { headers, url } = options
    const terms = yield* DialTerms.make({ url, headers }, context, resolved.tokenTimeout)
    const detached = yield* detachedEffect.make
    const fork = yield* FiberSet.makeRuntime<never>()
    const received = new ReceiveQueue<Received<In>, NotKept>(resolved.highWaterMark)
    const sender = new Sender(options.whileAway ?? "wait", resolved.highWaterMark)
    let connections = 0
    /** The end of the last connection that was Ready. */
    let lost: ConnectionEnd | undefined

    const unsendable = (error: MessageInvalid | MessageTooLarge): void =>
      void fork(Effect.logWarning(`holdfast: ${error.message}`))
    const invalid = (error: MessageInvalid): void => {
      const decided = Effect.provide(
        made(() => onInvalid(error)),
        context
      )
      fork(
        Effect.zipRight(Effect.logWarning(`holdfast: ${error.message}`), decided).pipe(
          Effect.flatMap((decision) => (decision === "End" ? loop.stop({ _tag: "Invalid", error }) : Effect.void)),
          Effect.catchAllDefect((defect) => Effect.logError("holdfast: onInvalid failed", defect))
        )
      )
    }

    // ---- one connection

    const write = (live: Live, message: Out): void =>
      Either.match(encode(message), { onLeft: unsendable, onRight: (frame) => live.write(frame) })

    /** Has the connection's heartbeats leave as messages. Gives what hears of an answer. */
    const heartbeatOf = (live: Live): (() => void) => {
      let latest = 0
      const { ping } = heartbeat
      if (ping !== undefined) {
        const sent = Effect.suspend(() => {
          const message = ping()
          if (!Effect.isEffect(message)) return Effect.sync(() => write(live, message))
          // What is an effect is no message.
          const made = message as Effect.Effect<Out, never, RPing>
          return Effect.map(Effect.provide(made, context), (message) => write(live, message))
        })
        live.messagePing = (id) => {
          latest = id
          live.supervise(sent)
        }
      }
      return () => live.ponged(latest)
    }

    /** Runs the application's `onConnect` for as long as the connection lives. */
    const prepared = (live: Live, opening: Opening<Out, In>): Effect.Effect<void, ConnectionEnd | OnConnectFailed> => {
      const { connectTimeout } = resolved
      const failed = (cause: unknown) => Effect.fail(live.end ?? new OnConnectFailed({ cause }))
      const onTimeout = () => new Error(`it has not ended within ${connectTimeout} ms (connectTimeout)`)
      const run = Effect.provide(
        made(() => onConnect?.(opening) ?? Effect.void),
        context
      )
      const outcome = Effect.raceFirst(detached(run), Effect.flatMap(live.ended, Effect.fail))
      return Effect.timeoutFail(outcome, { duration: connectTimeout, onTimeout }).pipe(
        Effect.catchAllCause((cause) => failed(Cause.squash(cause))),
        Effect.tapError(() => Effect.sync(() => live.abandon(CloseCode.GoingAway, "onConnect failed")))
      )
    }

    const open = (attempt: reconnectLoop.Attempt<KeptReady>): Effect.Effect<Live, AttemptError, Scope.Scope> =>
      Effect.gen(function* () {
        const { headers, url } = yield* terms.next
        const request = { url, protocols: options.protocols ?? [], headers, maxFrame: resolved.maxMessage }
        const live = yield* liveConnection.make(yield* dialing.dial(dialer, resolved, request), resolved)
        attempt.opening(live)
        const mine = new ReceiveQueue<In, ConnectionEnd>(resolved.highWaterMark)
        mine.attach(live)
        let isReady = false
        live.open(
          new Inbound(framing.decoder(), heartbeat, {
            message: (value, size) =>
              isReady ? received.push({ _tag: "Message", value }, size) : mine.push(value, size),
            pong: heartbeatOf(live),
            // For one who pings and does not read there is no answer.
            answer: (message) => live.isCongested || write(live, message),
            invalid,
            ended: (end) => {
              mine.finish(Option.some(end))
              if (isReady) lost = end
              sender.lost(live)
            }
          })
        )
        let timing = resolved
        yield* prepared(live, {
          protocol: live.transport.protocol,
          connection: connections + 1,
          send: (message) => Effect.flatMap(encode(message), (frame) => live.send(frame)),
          receive: Effect.mapError(
            mine.take,
            Option.getOrElse(() => live.end ?? new ConnectionLost({}))
          ),
          keepAlive: (own) =>
            Effect.map(withTiming(options, resolved, own), (resolved) => {
              timing = resolved
            })
        })
        const part = yield* Heartbeat.jitter
        if (live.end !== undefined) return yield* live.end
        isReady = true
        connections++
        attempt.ready(live, (common) => ({ ...common, connection: connections }), timing, 0)
        if (lost !== undefined && received.last?._tag !== "Gap") received.push({ _tag: "Gap", reason: lost }, 0)
        mine.moveTo<Received<In>, NotKept>(received, (value) => ({ _tag: "Message", value }))
        received.attach(live)
        live.keepAlive(timing, part)
        sender.ready(live)
        return live
      })

    // ---- all of them

    const current = (): Live | undefined => ("live" in loop.life.phase ? loop.life.phase.live : undefined)
    const loop: reconnectLoop.ReconnectLoop<KeptReady> = yield* reconnectLoop.make({
      options: resolved,
      backoff: yield* Reconnect.backoff(options.reconnect ?? Reconnect.exponential()),
      context,
      rules: { canBeFresh: terms.canBeFresh, verdict: verdictBy(options.verdict) },
      now: () => monotonic(clock),
      open,
      current,
      farewell: (live) =>
        Effect.suspend(() => {
          loop.life.saidBye()
          live.close(CloseCode.Normal, "")
          return live.gone
        }),
      ending: (reason) => {
        const text = describeEnd(reason)
        sender.finish(text)
        received.finish(reason._tag === "Closed" ? Option.none() : Option.some(new NotKept({ reason: text })))
      }
    })
    yield* Effect.addFinalizer(() => loop.leave(Effect.void))

    const all = Stream.repeatEffectOption(received.take)
    return {
      status: loop.status.get,
      changes: loop.status.changes,
      ready: Effect.mapError(loop.ready, (reason) => new NotKept({ reason: describeEnd(reason) })),
      ended: loop.ended,
      received: all,
      messages: Stream.filterMap(all, (one) => (one._tag === "Message" ? Option.some(one.value) : Option.none())),
      send: (message) => Effect.flatMap(encode(message), (frame) => sender.send(frame)),
      reconnect: loop.wake,
      close: loop.stop({ _tag: "Closed" }),
      stats: Effect.sync(() => {
        const { phase } = loop.life
        return {
          connection: phase._tag === "Ready" ? statsOf(phase.live) : undefined,
          connections,
          waiting: sender.waiting
        }
      })
    }
  })
