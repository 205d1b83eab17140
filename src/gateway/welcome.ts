/** The welcome: has a connection act for a session, and tells its client so before anything else. */
import type { UpgradeRequest } from "../connection/Listener.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import { type Codec, envelopeBytes } from "../protocol/Codec.js"
import * as Protocol from "../protocol/Protocol.js"
import type { Principal } from "./GatewaySession.js"
import type { Watch } from "./revocations.js"
import type { HostedSession } from "./session/hostedSession.js"
import type { SessionServices } from "./session/sessionServices.js"

/** A client whose hello was heard, and who is known. */
export interface Greeted<P> {
  readonly live: LiveConnection
  readonly codec: Codec
  readonly hello: Protocol.Hello
  readonly principal: P
  /** Of a principal that expires: it is authenticated again. */
  readonly request: UpgradeRequest | undefined
  readonly watch: Watch
  /** The part of the heartbeat interval before the first. */
  readonly jitter: number
}

export interface Outcome {
  readonly resumed: boolean
  /** Why the session that was asked for was not. */
  readonly reason?: Protocol.ResetReason | undefined
}

const nothing = { processed: 0, oldest: 1, received: undefined, unfinished: undefined }

/** Tells why the client cannot go on with this session, if it cannot. */
export const welcome = <C, S, P extends Principal, R>(
  services: Pick<SessionServices<C, S, P, R>, "limits" | "options" | "spread" | "stats" | "topics">,
  session: HostedSession<C, S, P, R>,
  { codec, hello, jitter, live, request }: Greeted<P>,
  generation: number,
  secret: string,
  outcome: Outcome
): Protocol.ResetReason | undefined => {
  if (live.end !== undefined) return undefined // `abandoned` sees to it
  const { limits, options, stats, topics } = services
  const { heartbeatInterval, maxMessage, readDeadline, resumeWindow } = options
  const { oldest, processed, received, unfinished } = (outcome.resumed ? hello.resume : undefined) ?? nothing
  const knowsParts = live.features.has("parts")
  const peer = {
    processed,
    oldest,
    received: knowsParts ? received : undefined,
    unfinished: live.features.has("chunks") ? unfinished : undefined,
    takes: hello.limits?.maxMessage ?? Number.POSITIVE_INFINITY
  }
  // One that knows fewer reasons takes another for a violation.
  const reason = outcome.reason === "ended" && !live.features.has("ended") ? "unknown" : outcome.reason
  const missed = session.missedRefusals(oldest, peer.takes)
  if (missed === undefined) return "incomplete"
  const refused = session.attach(live, generation, peer, (told) =>
    live.write(
      codec.encode({
        type: "welcome",
        session: session.id,
        generation,
        secret,
        processed: told.processed,
        ...(outcome.resumed && knowsParts ? { received: told.received } : {}),
        ...(told.unfinished === undefined ? {} : { unfinished: told.unfinished }),
        resumed: outcome.resumed,
        ...(reason === undefined ? {} : { reason }),
        ...(missed.length === 0 ? {} : { refused: missed }),
        heartbeat: heartbeatInterval,
        deadline: readDeadline,
        resumeWindow,
        limits,
        spread: services.spread(),
        ...(topics === undefined ? {} : { keyWindow: topics.keyWindow }),
        features: Protocol.features
      })
    )
  )
  if (refused !== undefined) return refused
  stats.welcomed(outcome)
  live.transport.limit?.(maxMessage + envelopeBytes)
  session.watchExpiry(live, request)
  if (hello.heartbeat === "message") live.messagePing = (id) => live.write(codec.encode({ type: "ping", id }))
  live.keepAlive({ heartbeatInterval, readDeadline }, jitter)
  return undefined
}
