/**
 * What a client is made with.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Options from "../connection/Options.js"
import type * as Reconnect from "../connection/Reconnect.js"
import type { Verdict } from "../protocol/CloseCode.js"
import type * as Codec from "../protocol/Codec.js"
import type { AttemptError, MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision, Messages } from "../protocol/Messages.js"

/**
 * The options of a client but for its messages: where it connects, and what it does when that fails; besides, all of
 * `Options.OfClient`. What each of them needs is inferred by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceOptions<RUrl = never, RToken = never, RReconnect = never, RInvalid = never, RHeaders = never>
  extends Options.OfClient {
  /**
   * `ws:` or `wss:`, with a host and without a fragment; an effect is run for each attempt. It, the token and the headers of
   * an attempt are waited for no longer than `tokenTimeout` together: after that, the attempt has failed.
   */
  readonly url: string | Effect.Effect<string, unknown, RUrl>
  /**
   * The hello's token, asked for at each attempt; when it fails, the attempt has failed. Asked for again whenever the server
   * wants a fresh one; when it fails then, or takes longer than `tokenTimeout`, it is tried again after 1 s, doubling, at most
   * 30 s. A server that refuses it (HTTP 401, close 4401) is asked once more if this is an effect; refused again before the
   * client was Ready, it has ended.
   */
  readonly token?: string | Effect.Effect<string, unknown, RToken> | undefined
  /** Extra headers of the upgrade request; an effect is run for each attempt. Not possible in a browser. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | Effect.Effect<Readonly<Record<string, string>>, unknown, RHeaders>
    | undefined
  /** Default `Codec.json`. */
  readonly codec?: Codec.Codec | undefined
  /** Default `Reconnect.exponential()`. */
  readonly reconnect?: Reconnect.Policy<RReconnect> | undefined
  /**
   * The last word on what follows an end: it is given the end and the verdict of `CloseCode.verdictOf`, and gives the one to act
   * by, which may be another (`CloseCode.stop`, `CloseCode.resume`).
   */
  readonly verdict?: ((end: AttemptError, proposed: Verdict) => Verdict) | undefined
  /** Decides about a message of the server that does not decode. Default: skip it with a `MessageInvalid` event. */
  readonly onInvalid?: ((error: MessageInvalid) => Effect.Effect<InvalidDecision, never, RInvalid>) | undefined
}

/**
 * The options of a client; what they need is `R`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions<ClientMessage, ServerMessage, R = never> extends ServiceOptions<R, R, R, R, R> {
  readonly messages: Messages<ClientMessage, ServerMessage>
}
