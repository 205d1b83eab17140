import type { Group } from "../fault.js"

const policy = "src/connection/Reconnect.ts"
const life = "src/connection/keep/lifecycle.ts"
const session = "src/client/clientSession.ts"
const wait = "src/connection/keep/retryDelay.ts"

const reconnect = "test/connection/reconnect.test.ts"
const resume = "test/session/resume.test.ts"
const lifecycle = "test/connection/lifecycle.test.ts"
const attempts = "test/client/attempts.test.ts"

export const group: Group = {
  title: "Reconnect: exact delays, verdicts",
  faults: [
    {
      name: "the backoff starts over as soon as the connection is Ready",
      file: life,
      find: 'phase._tag === "Ready" && now - phase.readyAt >= rules.stableAfter',
      replace: 'phase._tag === "Ready"',
      caughtBy: [reconnect]
    },
    {
      name: "the backoff starts over a millisecond after stableAfter",
      file: life,
      find: "now - phase.readyAt >= rules.stableAfter",
      replace: "now - phase.readyAt > rules.stableAfter",
      caughtBy: [reconnect]
    },
    {
      name: "a token effect that cannot be interrupted defeats its bound",
      file: "src/connection/detachedEffect.ts",
      find: "Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interruptFork(fiber))",
      replace: "Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interrupt(fiber))",
      caughtBy: [attempts]
    },
    {
      name: "reconnect leaves an attempt that is under way alone",
      file: wait,
      find: "return Effect.succeedNone",
      replace: 'return by === "Wake" ? Effect.never : Effect.succeedNone',
      caughtBy: [attempts]
    },
    {
      name: "a storm of Awake keeps a slow client from being Ready",
      file: wait,
      find: "this.between = Math.min(mostBetween, this.between * 2)",
      replace: "this.between = leastBetween",
      caughtBy: [attempts]
    },
    {
      name: "fresh credentials are refused without end",
      file: life,
      find: "{ ...this.experience, isRefused: true }",
      replace: "{ ...this.experience }",
      caughtBy: [attempts]
    },
    {
      name: "a portal's answer is final",
      file: "src/protocol/CloseCode.ts",
      find: "if (isSomebodyElse && status !== 429)",
      replace: "if (isSomebodyElse && status >= 500)",
      caughtBy: [attempts]
    },
    {
      name: "the backoff never starts over",
      file: policy,
      find: "      reset: Effect.sync(() => {\n        state = policy.initial\n      })",
      replace: "      reset: Effect.void",
      caughtBy: [reconnect]
    },
    {
      name: "the backoff does not grow",
      file: policy,
      find: "            state = next\n",
      replace: '            state = decision._tag === "Done" ? next : state\n',
      caughtBy: [reconnect]
    },
    {
      name: "the delay is clamped before it is jittered, and not after",
      file: policy,
      find: "clamp(Schedule.jittered(capped))",
      replace: "Schedule.jittered(capped)",
      caughtBy: [reconnect]
    },
    {
      name: "the exponential is not clamped before it is jittered",
      file: policy,
      find: "const capped = clamp(Schedule.exponential(first, growth))",
      replace: "const capped = Schedule.exponential(first, growth)",
      caughtBy: [reconnect]
    },
    {
      name: "the delays are not jittered",
      file: policy,
      find: "clamp(Schedule.jittered(capped))",
      replace: "clamp(Schedule.identity<AttemptError>().pipe(() => capped))",
      caughtBy: [reconnect]
    },
    {
      name: "a server's goaway does not change the delay",
      file: wait,
      find: "      if (goaway !== undefined) return Option.some({ millis: within(goaway.retryAfter), isAsked: true })\n",
      replace: "",
      caughtBy: [reconnect, lifecycle, "test/gateway/limits.test.ts"]
    },
    {
      name: "a server's Retry-After is ignored",
      file: wait,
      find: "? { millis: within(end.retryAfter), isAsked: true }",
      replace: "? { millis: Math.min(millis, within(end.retryAfter)), isAsked: true }",
      caughtBy: [reconnect]
    },
    {
      name: "a Retry-After of zero makes a loop of one millisecond",
      file: wait,
      find: "const leastRetryAfter = 100",
      replace: "const leastRetryAfter = 1",
      caughtBy: [reconnect]
    },
    {
      name: "a verdict that is final is retried",
      file: life,
      find: "if (isFinal && !mayBeFresh) return",
      replace: 'if (isFinal && verdict.why === "Ended") return',
      caughtBy: [reconnect]
    },
    {
      name: "an attempt without a welcome is not given up",
      file: "src/client/handshake.ts",
      find: "    Effect.timeoutOption(timeout),\n",
      replace: "    Effect.timeoutOption(timeout * 10),\n",
      caughtBy: [reconnect]
    },
    {
      name: "the client resumes with its first secret for ever",
      file: "src/client/resumeState.ts",
      find: "    this.ticket = ticket\n",
      replace: "    this.ticket = this.ticket?.session === ticket.session ? this.ticket : ticket\n",
      caughtBy: [resume]
    },
    {
      name: "the client does not say that it lost its session",
      file: session,
      find: '    this.events.publish({ _tag: "SessionLost", ...lost })\n',
      replace: "",
      caughtBy: [resume]
    },
    {
      name: "all clients of a gateway that is gone come at once",
      file: "src/connection/keep/retryDelay.ts",
      find: "{ millis: besides + (",
      replace: "{ millis: besides - besides + (",
      caughtBy: ["test/client/spread.test.ts"]
    },
    {
      name: "a client spreads after a silence, too",
      file: "src/connection/keep/lifecycle.ts",
      find: 'phase._tag === "Ready" && end._tag === "ConnectionLost" ? phase.spread',
      replace: 'phase._tag === "Ready" ? phase.spread',
      caughtBy: ["test/client/spread.test.ts"]
    },
    {
      name: "the client asks to resume from what it has received, not processed",
      file: session,
      find: "const resume = this.held.ask(recorded, ",
      replace: "const resume = this.held.ask(seq + recorded - recorded, ",
      caughtBy: ["test/client/client.test.ts"]
    },
    {
      name: "the client does not prove that it has its new secret",
      file: session,
      find: `      if (welcome.resumed) this.driver.writeUnpaced(live, ack)
      else live.write(this.config.codec.encode(ack))
`,
      replace: "      void ack\n",
      caughtBy: [resume]
    },
    {
      name: "the client does not obey the limits of its server",
      file: session,
      find: "    this.driver.obey(limits, live)\n",
      replace: "",
      caughtBy: ["test/badInput/lyingServer.test.ts", "test/session/rate.test.ts"]
    }
  ]
}
