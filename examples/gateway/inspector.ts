/** The gateway's inspector: for who knows INSPECTOR_PASSWORD; without one, for who is on this machine. */
import { Config, Effect, Option, Redacted } from "effect"
import { ConnectionError, type Gateway } from "holdfast"
import { Inspector } from "holdfast/node"

export const path = "/inspector"

const loopback = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"])
const local = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i

/** What a proxy says of whom it asks for. One that says nothing, as a tunnel does, lets all of its clients in: it wants a password. */
const forwarded = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]

/** A proxy on this machine asks for others, and a page of elsewhere may have had its name point here. */
const fromThisMachine: Inspector.Authenticate = ({ headers, remoteAddress }) =>
  Option.exists(remoteAddress, (address) => loopback.has(address)) &&
  forwarded.every((name) => headers[name] === undefined) &&
  local.test(headers["host"] ?? "")
    ? Effect.void
    : new ConnectionError.NotAllowed({
        reason: "without INSPECTOR_PASSWORD the inspector is for this machine alone: open it at localhost"
      })

export const makeInspector = <S>(gateway: Gateway.Gateway<S>) =>
  Effect.gen(function* () {
    const password = yield* Config.option(Config.redacted("INSPECTOR_PASSWORD"))
    // What is empty counts as absent.
    const asked = Option.filter(password, (given) => Redacted.value(given) !== "")
    return yield* Inspector.make(gateway, {
      path,
      ...Option.match(asked, { onSome: Inspector.basic, onNone: () => ({ authenticate: fromThisMachine }) })
    })
  })
