/** A session as the application has it: nothing of the inside shows, neither to `Object.keys` nor in a log. */
import type { Named } from "../../topic/Topic.js"
import type { Gateway, Principal, Session } from "../GatewaySession.js"

export class SessionHandle<S, P extends Principal> implements Session<S, P> {
  readonly id: string
  readonly #session: Session<S, P>

  constructor(session: Session<S, P>) {
    this.id = session.id
    this.#session = session
  }

  get principal(): P {
    return this.#session.principal
  }

  get gateway(): Gateway<S, P> {
    return this.#session.gateway
  }

  get info(): Session<S, P>["info"] {
    return this.#session.info
  }

  send(message: S) {
    return this.#session.send(message)
  }

  deliver(message: S) {
    return this.#session.deliver(message)
  }

  offer(message: S) {
    return this.#session.offer(message)
  }

  subscribe(topic: Named, options?: Parameters<Session<S, P>["subscribe"]>[1]) {
    return this.#session.subscribe(topic, options)
  }

  unsubscribe(topic: Named, reason?: string) {
    return this.#session.unsubscribe(topic, reason)
  }

  end(reason: string, options?: Parameters<Session<S, P>["end"]>[1]) {
    return this.#session.end(reason, options)
  }
}
