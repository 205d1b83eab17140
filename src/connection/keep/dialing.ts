/** The dial of an attempt, and the terms that it is made with: asked of the application for each, and waited for no longer than `tokenTimeout`. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  ConnectTimeout,
  DialFailed,
  type DialRefused,
  InvalidOption,
  TokenUnavailable
} from "../../protocol/ConnectionError.js"
import * as url from "../../protocol/url.js"
import type { Dialer, DialRequest } from "../Dialer.js"
import * as detachedEffect from "../detachedEffect.js"
import type { Resolved } from "../Options.js"
import { isSuccess } from "../syncEffect.js"
import type { Transport } from "../Transport.js"

export type Headers = Readonly<Record<string, string>>

/** The options that an attempt asks of: each as it is, or an effect of the application's. */
export interface DialOptions<RUrl, RToken, RHeaders> {
  readonly url: string | Effect.Effect<string, unknown, RUrl>
  readonly token?: string | Effect.Effect<string, unknown, RToken> | undefined
  readonly headers?: Headers | Effect.Effect<Headers, unknown, RHeaders> | undefined
}

/** What is the same for each attempt is an effect that has succeeded. */
interface Given {
  readonly url: Effect.Effect<string, unknown>
  readonly token: Effect.Effect<string, unknown> | undefined
  readonly headers: Effect.Effect<Headers, unknown> | undefined
}

export interface Terms {
  readonly url: string
  readonly token: string | undefined
  readonly headers: Headers | undefined
}

const mayChange = (effect: Effect.Effect<unknown, unknown> | undefined): boolean =>
  effect !== undefined && !isSuccess(effect)

/** The effect of an option; one that is given as it is has succeeded already. */
const asked = <A, R>(
  value: A | Effect.Effect<A, unknown, R>,
  context: Context.Context<R>
): Effect.Effect<A, unknown> =>
  // What is no effect is what one would yield.
  Effect.isEffect(value) ? Effect.provide(value as Effect.Effect<A, unknown, R>, context) : Effect.succeed(value)

export class DialTerms {
  /** True when a server that refused the credentials may be given others: the token, or where there is none what the URL has. */
  readonly canBeFresh: boolean

  private constructor(
    private readonly given: Given,
    private readonly timeout: number,
    private readonly run: detachedEffect.Detached
  ) {
    this.canBeFresh = mayChange(given.headers) || mayChange(given.token ?? given.url)
  }

  /** `timeout` is in milliseconds. A URL that is impossible as it is given is refused at once. */
  static make<RUrl, RToken, RHeaders>(
    options: DialOptions<RUrl, RToken, RHeaders>,
    context: Context.Context<RUrl | RToken | RHeaders>,
    timeout: number
  ): Effect.Effect<DialTerms, InvalidOption, Scope.Scope> {
    const { headers, token, url: address } = options
    if (typeof address === "string" && !url.isPossible(address)) {
      return new InvalidOption({ option: "url", value: JSON.stringify(url.shown(address)), rule: url.rule })
    }
    const given: Given = {
      url: asked(address, context),
      token: token === undefined ? undefined : asked(token, context),
      headers: headers === undefined ? undefined : asked(headers, context)
    }
    return Effect.map(detachedEffect.make, (run) => new DialTerms(given, timeout, run))
  }

  readonly next: Effect.Effect<Terms, TokenUnavailable | DialFailed> = Effect.suspend(() => {
    const { given } = this
    const asked = this.bounded((ask) =>
      Effect.gen(function* () {
        const token = given.token === undefined ? undefined : yield* ask("token", given.token)
        const address = yield* ask("url", given.url)
        const headers = given.headers === undefined ? undefined : yield* ask("headers", given.headers)
        return { token, url: address, headers }
      })
    )
    return Effect.filterOrFail(
      asked,
      (terms) => url.isPossible(terms.url),
      (terms) => new DialFailed({ url: terms.url, cause: new Error(`it must be ${url.rule}`) })
    )
  })

  /** A fresh token alone; undefined where there is none to ask for. */
  get token(): Effect.Effect<string, TokenUnavailable> | undefined {
    const { token } = this.given
    return token === undefined ? undefined : this.bounded((ask) => ask("token", token))
  }

  /** Bounds all that is asked in it together. */
  private bounded<A>(
    asking: (
      ask: <B>(option: string, value: Effect.Effect<B, unknown>) => Effect.Effect<B, TokenUnavailable>
    ) => Effect.Effect<A, TokenUnavailable>
  ): Effect.Effect<A, TokenUnavailable> {
    const { run, timeout } = this
    return Effect.suspend(() => {
      let asked = ""
      const onTimeout = () =>
        new TokenUnavailable({ cause: new Error(`\`${asked}\` has not answered within ${timeout} ms (tokenTimeout)`) })
      const all = asking((option, value) =>
        Effect.suspend(() => {
          if (isSuccess(value)) return Effect.succeed(value.value)
          asked = option
          // A defect of the application's is a failed attempt too, and shown as its reason.
          const failed = (cause: Cause.Cause<unknown>) =>
            Effect.fail(new TokenUnavailable({ cause: Cause.squash(cause) }))
          return run(Effect.catchAllCause(value, failed))
        })
      )
      return Effect.timeoutFail(all, { duration: timeout, onTimeout })
    })
  }
}

/** Dials, within the connect timeout; the scope owns the transport. */
export const dial = (
  dialer: Dialer["Type"],
  { closeTimeout, connectTimeout: timeout }: Pick<Resolved, "closeTimeout" | "connectTimeout">,
  request: Omit<DialRequest, "closeTimeout">
): Effect.Effect<Transport, DialFailed | DialRefused | ConnectTimeout, Scope.Scope> =>
  Effect.timeoutFail(dialer.dial({ ...request, closeTimeout }), {
    duration: timeout,
    onTimeout: () => new ConnectTimeout({ url: request.url, timeout })
  })
